// Matchers of alerts and silences: read from what people type and links carry, and written back.
import type { Labels } from "../../api/types";

export const OPS = ["=", "!=", "=~", "!~"] as const;
export type Op = (typeof OPS)[number];

export interface Matcher {
  readonly name: string;
  readonly op: Op;
  readonly value: string;
}

/** Reads `{a="b", c=~"d|e"}`, with or without braces and quotes; `null` when something in it is no matcher. */
export function parseMatchers(text: string): Matcher[] | null {
  let rest = text.trim();
  if (rest.startsWith("{") && rest.endsWith("}")) rest = rest.slice(1, -1).trim();
  const matchers: Matcher[] = [];
  while (rest !== "") {
    const match = /^("(?:[^"\\]|\\.)*"|[^\s"=!~,{}]+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^\s",]*)\s*(?:,\s*|$)/.exec(rest);
    if (match === null) return null;
    matchers.push({ name: unquote(match[1] ?? ""), op: OPS.find((op) => op === match[2]) ?? "=", value: unquote(match[3] ?? "") });
    rest = rest.slice(match[0].length);
  }
  return matchers;
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  return text.slice(1, -1).replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`;
}

export function matcherText({ name, op, value }: Matcher): string {
  return `${/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : quote(name)}${op}${quote(value)}`;
}

/** Returns `{a="b"}`, or nothing for no matchers. */
export function filterText(matchers: readonly Matcher[]): string {
  return matchers.length === 0 ? "" : `{${matchers.map(matcherText).join(",")}}`;
}

/** Returns matchers that fit exactly the alerts with these labels. */
export function matchersOf(labels: Labels): Matcher[] {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ name, op: "=", value }));
}

export interface WireMatcher {
  readonly name: string;
  readonly value: string;
  readonly isRegex: boolean;
  readonly isEqual: boolean;
}

export function toWire({ name, op, value }: Matcher): WireMatcher {
  return { name, value, isRegex: op.includes("~"), isEqual: op.startsWith("=") };
}

export function fromWire({ name, value, isRegex, isEqual }: WireMatcher): Matcher {
  return { name, value, op: isRegex ? (isEqual ? "=~" : "!~") : isEqual ? "=" : "!=" };
}
