// A result as a file: CSV with a column a label, JSON as the API gives it.
import type { Labels, QueryResult } from "../../api/types";
import { formatRaw } from "../../lib/format";
import { toCsv } from "../../lib/download";

function labelNames(all: readonly Labels[]): string[] {
  const names = new Set(all.flatMap((labels) => Object.keys(labels)));
  return [...names].sort((a, b) => Number(b === "__name__") - Number(a === "__name__") || (a < b ? -1 : 1));
}

const instant = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** Returns one row a sample: labels, time, value. */
export function resultCsv(result: QueryResult): string {
  switch (result.kind) {
    case "scalar":
      return toCsv([["time", "value"], [instant(result.t), formatRaw(result.v)]]);
    case "string":
      return toCsv([["time", "value"], [instant(result.t), result.text]]);
    case "vector": {
      const names = labelNames(result.samples.map((sample) => sample.labels));
      const rows = result.samples.map(({ labels, t, v, histogram }) => [
        ...names.map((name) => labels[name] ?? ""),
        instant(t),
        histogram === null ? formatRaw(v) : `count ${formatRaw(histogram.count)} sum ${formatRaw(histogram.sum)}`,
      ]);
      return toCsv([[...names, "time", "value"], ...rows]);
    }
    case "matrix": {
      const names = labelNames(result.frames.map((frame) => frame.labels));
      const rows = result.frames.flatMap((frame) => Array.from(frame.v, (value, index) => [...names.map((name) => frame.labels[name] ?? ""), instant(frame.t[index] ?? 0), formatRaw(value)]));
      return toCsv([[...names, "time", "value"], ...rows]);
    }
  }
}

/** Returns the result in the API's own form, so that what reads the API reads the file. */
export function resultJson(result: QueryResult): string {
  switch (result.kind) {
    case "scalar":
      return JSON.stringify({ resultType: "scalar", result: [result.t, formatRaw(result.v)] }, null, 1);
    case "string":
      return JSON.stringify({ resultType: "string", result: [result.t, result.text] }, null, 1);
    case "vector":
      return JSON.stringify(
        {
          resultType: "vector",
          result: result.samples.map(({ labels, t, v, histogram }) => (histogram === null ? { metric: labels, value: [t, formatRaw(v)] } : { metric: labels, histogram: [t, histogram] })),
        },
        null,
        1,
      );
    case "matrix":
      return JSON.stringify({ resultType: "matrix", result: result.frames.map((frame) => ({ metric: frame.labels, values: Array.from(frame.v, (value, index) => [frame.t[index], formatRaw(value)]) })) }, null, 1);
  }
}
