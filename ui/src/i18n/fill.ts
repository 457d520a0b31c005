// Filling the blanks of a text.

/** Returns `text` with its blanks filled; an unknown blank stays visible rather than vanish. */
export function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (blank, name: string) => String(values[name] ?? blank));
}
