// Queries worth asking about a metric, by its type; the first is the one to open.
import { type DisplayMode } from "../query/queryUrl";
import type { PlainKey } from "../../i18n";
import type { Family } from "./families";

export interface Suggestion {
  readonly label: PlainKey;
  readonly expr: string;
  readonly display: DisplayMode;
}

const PLAIN_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** Returns a selector of `name` with some matchers; a name outside the classic alphabet goes into the braces. */
export function selector(name: string, matchers: readonly string[]): string {
  const plain = PLAIN_NAME.test(name);
  const inside = plain ? matchers : [JSON.stringify(name), ...matchers];
  return (plain ? name : "") + (inside.length === 0 ? "" : `{${inside.join(",")}}`);
}

export function suggestions(family: Family, matchers: readonly string[]): readonly Suggestion[] {
  const of = (suffix: string): string => selector(family.name + suffix, matchers);
  const rate = (suffix: string): string => `rate(${of(suffix)}[5m])`;
  const average: Suggestion = { label: "explore.ask.average", expr: `${rate("_sum")} / ${rate("_count")}`, display: "lines" };
  switch (family.type) {
    case "counter":
      return [
        { label: "explore.ask.rate", expr: rate(""), display: "lines" },
        { label: "explore.ask.rateSum", expr: `sum by (job) (${rate("")})`, display: "lines" },
        { label: "explore.ask.top", expr: `topk(10, ${rate("")})`, display: "lines" },
      ];
    case "histogram":
    case "gaugehistogram":
      if (family.native) {
        return [
          { label: "explore.ask.quantile", expr: `histogram_quantile(0.95, sum by (job) (${rate("")}))`, display: "lines" },
          { label: "explore.ask.heatmap", expr: `sum(${rate("")})`, display: "heatmap" },
          { label: "explore.ask.average", expr: `histogram_avg(${rate("")})`, display: "lines" },
        ];
      }
      return [
        { label: "explore.ask.quantile", expr: `histogram_quantile(0.95, sum by (le, job) (${rate("_bucket")}))`, display: "lines" },
        { label: "explore.ask.heatmap", expr: `sum by (le) (${rate("_bucket")})`, display: "heatmap" },
        average,
        { label: "explore.ask.rateSum", expr: `sum by (job) (${rate("_count")})`, display: "lines" },
      ];
    case "summary":
      return [average, { label: "explore.ask.value", expr: of(""), display: "lines" }];
    case "info":
    case "stateset":
      return [{ label: "explore.ask.value", expr: of(""), display: "lines" }];
    default:
      return [
        { label: "explore.ask.value", expr: of(""), display: "lines" },
        { label: "explore.ask.mean", expr: `avg by (job) (${of("")})`, display: "lines" },
        { label: "explore.ask.highest", expr: `topk(10, ${of("")})`, display: "lines" },
      ];
  }
}

/** Orders values of a label: numbers by size, as bounds of buckets are, with `+Inf` last; texts after them. */
export function byValue(a: string, b: string): number {
  const number = (text: string): number => (text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text));
  const [x, y] = [number(a), number(b)];
  if (x === y || (Number.isNaN(x) && Number.isNaN(y))) return a.localeCompare(b, "en", { numeric: true });
  return Number.isNaN(x) ? 1 : Number.isNaN(y) ? -1 : x < y ? -1 : 1;
}
