// What the server tells about itself.
import { baseUrl, request } from "../../api/client";
import { type Decoder, list, number, object, optional, record, string } from "../../api/decode";
import { type Labels, labels, type Target, target } from "../../api/types";

export interface Count {
  readonly name: string;
  readonly value: number;
}

const counts: Decoder<Count[]> = list(object<{ name: string; value: number }>({ name: string, value: number }));

export const LISTS = ["seriesCountByMetricName", "labelValueCountByLabelName", "memoryInBytesByLabelName", "seriesCountByLabelValuePair"] as const;
export type ListName = (typeof LISTS)[number];

export interface HeadStats {
  readonly numSeries: number;
  readonly numLabelPairs: number;
  readonly chunkCount: number;
  readonly minTime: number;
  readonly maxTime: number;
}

export type TsdbStatus = { readonly headStats: HeadStats } & { readonly [K in ListName]: readonly Count[] };

const tsdb: Decoder<TsdbStatus> = object<{ headStats: HeadStats } & { [K in ListName]: readonly Count[] }>({
  headStats: object<{ [K in keyof HeadStats]: HeadStats[K] }>({ numSeries: number, numLabelPairs: number, chunkCount: number, minTime: number, maxTime: number }),
  seriesCountByMetricName: counts,
  labelValueCountByLabelName: counts,
  memoryInBytesByLabelName: counts,
  seriesCountByLabelValuePair: counts,
});

export interface Block {
  readonly ulid: string;
  readonly minTime: number;
  readonly maxTime: number;
  readonly series: number;
  readonly samples: number;
  readonly level: number;
}

const block: Decoder<Block> = (input, path) => {
  const raw = object({
    ulid: string,
    minTime: number,
    maxTime: number,
    stats: optional(object({ numSeries: optional(number, 0), numSamples: optional(number, 0) }), { numSeries: 0, numSamples: 0 }),
    compaction: optional(object({ level: optional(number, 0) }), { level: 0 }),
  })(input, path);
  return { ulid: raw.ulid, minTime: raw.minTime, maxTime: raw.maxTime, series: raw.stats.numSeries, samples: raw.stats.numSamples, level: raw.compaction.level };
};

export interface DroppedTarget {
  readonly discoveredLabels: Labels;
  readonly scrapePool: string;
}

export interface Discovered {
  readonly active: readonly Target[];
  readonly dropped: readonly DroppedTarget[];
  readonly droppedCounts: Readonly<Record<string, number>>;
}

const discovered: Decoder<Discovered> = (input, path) => {
  const raw = object({
    activeTargets: list(target),
    droppedTargets: optional(list(object<{ discoveredLabels: Labels; scrapePool: string }>({ discoveredLabels: labels, scrapePool: string })), []),
    droppedTargetCounts: optional(record(number), {}),
  })(input, path);
  return { active: raw.activeTargets, dropped: raw.droppedTargets, droppedCounts: raw.droppedTargetCounts };
};

export interface RelabelStep {
  /** The rule's fields as text. */
  readonly rule: Readonly<Record<string, string>>;
  readonly output: Labels;
  readonly keep: boolean;
}

const fieldText: Decoder<string> = (input) => (Array.isArray(input) ? `[${input.join(", ")}]` : String(input));
const relabelStep: Decoder<RelabelStep> = object<{ rule: Record<string, string>; output: Labels; keep: boolean }>({
  rule: record(fieldText),
  output: optional(labels, {}),
  keep: (input) => input === true,
});

export interface DiscoverySource {
  readonly mechanism: string;
  readonly scrapePools: readonly string[];
  readonly targets: number;
  readonly lastError: string;
}

const source: Decoder<DiscoverySource> = object<{ mechanism: string; scrapePools: readonly string[]; targets: number; lastError: string }>({
  mechanism: string,
  scrapePools: list(string),
  targets: number,
  lastError: optional(string, ""),
});

const texts = record<string>((input) => String(input));
const urls = list(object<{ url: string }>({ url: string }));

export const statusApi = {
  tsdb: (limit: number, stop: AbortSignal) => request("api/v1/status/tsdb", { limit: String(limit) }, tsdb, stop),
  blocks: (stop: AbortSignal) => request("api/v1/status/tsdb/blocks", {}, object<{ blocks: Block[] }>({ blocks: list(block) }), stop),
  flags: (stop: AbortSignal) => request("api/v1/status/flags", {}, record(string), stop),
  config: (stop: AbortSignal) => request("api/v1/status/config", {}, object<{ yaml: string }>({ yaml: string }), stop),
  build: (stop: AbortSignal) => request("api/v1/status/buildinfo", {}, texts, stop),
  runtime: (stop: AbortSignal) => request("api/v1/status/runtimeinfo", {}, texts, stop),
  features: (stop: AbortSignal) => request("api/v1/features", {}, record(record<boolean>((input) => input === true)), stop),
  alertmanagers: (stop: AbortSignal) => request("api/v1/alertmanagers", {}, object<{ activeAlertmanagers: { url: string }[]; droppedAlertmanagers: { url: string }[] }>({ activeAlertmanagers: urls, droppedAlertmanagers: optional(urls, []) }), stop),
  discovered: (stop: AbortSignal) => request("api/v1/targets", { state: "any" }, discovered, stop),
  sources: (stop: AbortSignal) => request("api/v1/status/discovery", {}, object<{ sources: DiscoverySource[] }>({ sources: list(source) }), stop),
  relabelSteps: (pool: string, of: Labels, stop: AbortSignal) => request("api/v1/targets/relabel_steps", { scrapePool: pool, labels: JSON.stringify(of) }, object<{ steps: RelabelStep[] }>({ steps: list(relabelStep) }), stop),
};

/** Does something to the storage; throws the server's own words when it refuses. */
export async function administer(action: "delete_series" | "clean_tombstones" | "snapshot", params: readonly (readonly [string, string])[]): Promise<void> {
  const url = new URL(`api/v1/admin/tsdb/${action}`, baseUrl);
  const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: new URLSearchParams(params.map(([name, value]) => [name, value])).toString() });
  if (!response.ok) throw new Error((await response.text()).slice(0, 400));
}
