// The expressions run before, newest first, in this browser only.
import { store, stored } from "../../app/settings";

const KEY = "watchfire.history";
const LENGTH_MAX = 100;
const EXPR_LENGTH_MAX = 4_000;

/** Reads the history; whatever else lies in the storage counts as nothing. */
export function readHistory(): string[] {
  try {
    const parsed: unknown = JSON.parse(stored(KEY) ?? "[]");
    return Array.isArray(parsed) ? parsed.filter((one): one is string => typeof one === "string") : [];
  } catch {
    return [];
  }
}

/** Returns the history after `expr` was run. */
export function withExpr(history: readonly string[], expr: string): string[] {
  const text = expr.trim();
  if (text === "" || text.length > EXPR_LENGTH_MAX) return [...history];
  return [text, ...history.filter((one) => one !== text)].slice(0, LENGTH_MAX);
}

export function remember(expr: string): void {
  store(KEY, JSON.stringify(withExpr(readHistory(), expr)));
}
