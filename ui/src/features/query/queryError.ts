// Where a query is wrong, out of the server's message.

export interface QueryPosition {
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
  readonly message: string;
}

/** Reads `…1:5: parse error: unexpected …`; `null` when the message names no place. */
export function readPosition(message: string): QueryPosition | null {
  const match = /(?:^|\s)(\d+):(\d+): (?:parse error: )?([\s\S]*)$/.exec(message);
  if (match === null) return null;
  return { line: Number(match[1]), column: Number(match[2]), message: (match[3] ?? "").trim() };
}

/** Returns the offset in `text` of a position, clamped to the text. */
export function offsetOf(text: string, position: QueryPosition): number {
  const lines = text.split("\n");
  const before = lines.slice(0, position.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  const line = lines[position.line - 1];
  if (line === undefined) return text.length;
  return before + Math.min(Math.max(position.column - 1, 0), line.length);
}

/** Returns the index in `text` (UTF-16) of a byte offset into its UTF-8 form, as the server counts. */
export function indexOfByte(text: string, byte: number): number {
  let bytes = 0;
  let index = 0;
  for (const char of text) {
    if (bytes >= byte) break;
    const point = char.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    index += char.length;
  }
  return index;
}
