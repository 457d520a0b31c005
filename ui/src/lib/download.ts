// Handing data to the reader: as a file, or on the clipboard.

/** Offers `text` as a file. */
export function download(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser has begun to read once the click is over; a timer frees the memory after that.
  window.setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Copies a text; `false` when the browser forbids it, as it does on plain HTTP away from this machine. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByHand(text);
  }
}

function copyByHand(text: string): boolean {
  const box = document.createElement("textarea");
  box.value = text;
  document.body.append(box);
  box.select();
  try {
    // Outdated, and the only way where there is no secure context.
    return document.execCommand("copy");
  } finally {
    box.remove();
  }
}

/** Returns rows as RFC 4180 text. A cell that a spreadsheet would run as a formula gets a quote in front. */
export function toCsv(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

function csvCell(text: string): string {
  const isNumber = /^[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf|NaN)$/.test(text);
  const safe = !isNumber && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
