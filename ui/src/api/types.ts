// Shapes of the HTTP API, as far as the UI reads them.
import type { Frame } from "../lib/frames";
import { DecodeError, type Decoder, list, number, object, oneOf, optional, record, sampleValue, string } from "./decode";

export type Labels = Readonly<Record<string, string>>;

/** One bucket of a native histogram. */
export interface Bucket {
  /** Which ends belong to it: 0 `(low, high]`, 1 `[low, high)`, 2 `(low, high)`, 3 `[low, high]`. */
  readonly rule: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** A native histogram in a result; empty buckets are left out. */
export interface HistogramValue {
  readonly count: number;
  readonly sum: number;
  readonly buckets: readonly Bucket[];
}

/** The native histograms of one series; `t` in seconds, as long as `values`. */
export interface HistogramFrame {
  readonly labels: Labels;
  readonly t: readonly number[];
  readonly values: readonly HistogramValue[];
}

export interface VectorSample {
  readonly labels: Labels;
  /** Seconds since the epoch. */
  readonly t: number;
  readonly v: number;
  readonly histogram: HistogramValue | null;
}

export type QueryResult =
  | { readonly kind: "vector"; readonly samples: readonly VectorSample[] }
  | { readonly kind: "matrix"; readonly frames: readonly Frame[]; readonly histograms: readonly HistogramFrame[] }
  | { readonly kind: "scalar"; readonly t: number; readonly v: number }
  | { readonly kind: "string"; readonly t: number; readonly text: string };

export const labels: Decoder<Labels> = record(string);

function pair(input: unknown, path: string): readonly [unknown, unknown] {
  if (!Array.isArray(input) || input.length < 2) throw new DecodeError(path, "a pair [time, value]", input);
  return [input[0], input[1]];
}

/** Decodes `[[t,"v"], …]` into columns; the hot path of every chart, hence no combinators. */
function columns(input: unknown, path: string): { t: Float64Array; v: Float64Array } {
  if (input === undefined || input === null) return { t: new Float64Array(0), v: new Float64Array(0) };
  if (!Array.isArray(input)) throw new DecodeError(path, "a list", input);
  const t = new Float64Array(input.length);
  const v = new Float64Array(input.length);
  for (let index = 0; index < input.length; index += 1) {
    const point: unknown = input[index];
    if (!Array.isArray(point)) throw new DecodeError(`${path}[${index}]`, "a pair [time, value]", point);
    t[index] = number(point[0], `${path}[${index}][0]`);
    v[index] = sampleValue(point[1], `${path}[${index}][1]`);
  }
  return { t, v };
}

const bucket: Decoder<Bucket> = (input, path) => {
  if (!Array.isArray(input) || input.length < 4) throw new DecodeError(path, "a bucket [rule, low, high, count]", input);
  const [rule, low, high, count] = input as unknown[];
  return { rule: number(rule, `${path}[0]`), low: sampleValue(low, `${path}[1]`), high: sampleValue(high, `${path}[2]`), count: sampleValue(count, `${path}[3]`) };
};

const histogram: Decoder<HistogramValue> = object<{ count: number; sum: number; buckets: Bucket[] }>({ count: sampleValue, sum: sampleValue, buckets: optional(list(bucket), []) });

const timedHistogram: Decoder<{ t: number; value: HistogramValue }> = (input, path) => {
  const [t, value] = pair(input, path);
  return { t: number(t, `${path}[0]`), value: histogram(value, `${path}[1]`) };
};

const vectorSample: Decoder<VectorSample> = (input, path) => {
  const raw = object({ metric: labels, value: optional<unknown>((value) => value, null), histogram: optional<unknown>((value) => value, null) })(input, path);
  if (raw.histogram !== null) {
    const [t, h] = pair(raw.histogram, `${path}.histogram`);
    return { labels: raw.metric, t: number(t, `${path}.histogram[0]`), v: NaN, histogram: histogram(h, `${path}.histogram[1]`) };
  }
  const [t, v] = pair(raw.value, `${path}.value`);
  return { labels: raw.metric, t: number(t, `${path}.value[0]`), v: sampleValue(v, `${path}.value[1]`), histogram: null };
};

/** Decodes the `data` of `/query` and `/query_range`. */
export const queryResult: Decoder<QueryResult> = (input, path) => {
  const { resultType, result } = object({ resultType: string, result: ((value) => value) as Decoder<unknown> })(input, path);
  switch (resultType) {
    case "vector":
      return { kind: "vector", samples: list(vectorSample)(result, `${path}.result`) };
    case "matrix": {
      const histograms: HistogramFrame[] = [];
      const frames = list((item, at) => {
        const raw = object({ metric: labels, values: columns, histograms: optional(list(timedHistogram), []) })(item, at);
        if (raw.histograms.length > 0) histograms.push({ labels: raw.metric, t: raw.histograms.map((one) => one.t), values: raw.histograms.map((one) => one.value) });
        return { labels: raw.metric, ...raw.values } satisfies Frame;
      })(result, `${path}.result`);
      return { kind: "matrix", frames, histograms };
    }
    case "scalar": {
      const [t, v] = pair(result, `${path}.result`);
      return { kind: "scalar", t: number(t, `${path}.result[0]`), v: sampleValue(v, `${path}.result[1]`) };
    }
    case "string": {
      const [t, text] = pair(result, `${path}.result`);
      return { kind: "string", t: number(t, `${path}.result[0]`), text: string(text, `${path}.result[1]`) };
    }
    default:
      throw new DecodeError(`${path}.resultType`, "vector, matrix, scalar or string", resultType);
  }
};

export type Health = "up" | "down" | "unknown";

export interface Target {
  readonly scrapePool: string;
  readonly scrapeUrl: string;
  readonly labels: Labels;
  readonly discoveredLabels: Labels;
  readonly lastError: string;
  /** RFC 3339; the year 0001 when never scraped. */
  readonly lastScrape: string;
  /** Seconds. */
  readonly lastScrapeDuration: number;
  readonly health: Health;
  /** Prometheus durations. */
  readonly scrapeInterval: string;
  readonly scrapeTimeout: string;
}

export const target: Decoder<Target> = object<{ [K in keyof Target]: Target[K] }>({
  scrapePool: string,
  scrapeUrl: string,
  labels,
  discoveredLabels: optional(labels, {}),
  lastError: optional(string, ""),
  lastScrape: optional(string, ""),
  lastScrapeDuration: optional(number, 0),
  health: oneOf<Health>(["up", "down", "unknown"], "unknown"),
  scrapeInterval: optional(string, ""),
  scrapeTimeout: optional(string, ""),
});

export interface Targets {
  readonly active: readonly Target[];
  readonly droppedCount: number;
}

/** Decodes the `data` of `/targets`. */
export const targets: Decoder<Targets> = (input, path) => {
  const raw = object({ activeTargets: list(target), droppedTargetCounts: optional(record(number), {}) })(input, path);
  return { active: raw.activeTargets, droppedCount: Object.values(raw.droppedTargetCounts).reduce((sum, count) => sum + count, 0) };
};

export interface BuildInfo {
  /** The Prometheus version that the API is compatible with. */
  readonly version: string;
  /** Our own version; empty when another server answers. */
  readonly watchfireVersion: string;
}

/** Decodes the `data` of `/status/buildinfo`. */
export const buildInfo: Decoder<BuildInfo> = object<{ version: string; watchfireVersion: string }>({
  version: string,
  watchfireVersion: optional(string, ""),
});

export const strings: Decoder<string[]> = list(string);
