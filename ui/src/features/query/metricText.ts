// A series as PromQL would select it.
import type { Labels } from "../../api/types";

const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const PLAIN_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

export interface MetricParts {
  readonly name: string;
  /** Sorted by label name; names that need quotes have them. */
  readonly labels: readonly (readonly [name: string, value: string])[];
}

/** Escapes a value for a double-quoted PromQL string. */
export function escapeValue(value: string): string {
  return value.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n");
}

/** Splits a label set; a metric name outside the classic alphabet moves into the braces, quoted. */
export function metricParts(labels: Labels): MetricParts {
  const name = labels["__name__"] ?? "";
  const rest = Object.entries(labels)
    .filter(([label]) => label !== "__name__")
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([label, value]) => [PLAIN_LABEL.test(label) ? label : `"${escapeValue(label)}"`, value] as const);
  return { name: name === "" || PLAIN_NAME.test(name) ? name : `{"${escapeValue(name)}"}`, labels: rest };
}

/** Returns `name{label="value"}`; `{}` for a series without labels. */
export function metricText(labels: Labels): string {
  const parts = metricParts(labels);
  const pairs = parts.labels.map(([label, value]) => `${label}="${escapeValue(value)}"`);
  if (parts.name.startsWith("{")) return `{${[parts.name.slice(1, -1), ...pairs].join(", ")}}`;
  if (pairs.length === 0) return parts.name === "" ? "{}" : parts.name;
  return `${parts.name}{${pairs.join(", ")}}`;
}

/**
 * Returns a name for each of some series that tells it from the others: labels that all of them share say nothing in a
 * legend, and push what differs out of sight. One series alone keeps its full name.
 */
export function distinctNames(all: readonly Labels[]): string[] {
  const first = all[0];
  if (first === undefined || all.length === 1) return all.map(metricText);
  const shared = Object.keys(first).filter((name) => all.every((labels) => labels[name] === first[name]));
  return all.map((labels) => metricText(Object.fromEntries(Object.entries(labels).filter(([name]) => !shared.includes(name)))));
}
