// What the query page asks beyond results: format, lint, plan, exemplars.
import { type Params, request } from "../../api/client";
import { type Decoder, list, number, object, oneOf, optional, record, sampleValue, string } from "../../api/decode";
import { type Labels, labels } from "../../api/types";
import type { Grid } from "../../lib/timeRange";

/** Something wrong or suspicious; `start` and `end` are byte offsets into the query. */
export interface Finding {
  readonly code: string;
  readonly severity: "warning" | "info";
  readonly start: number;
  readonly end: number;
  readonly message: string;
  readonly suggestion: string;
  /** What to write instead of the place, where there is only one thing to write. */
  readonly replacement: string | null;
}

const finding: Decoder<Finding> = object<{ [K in keyof Finding]: Finding[K] }>({
  code: string,
  severity: oneOf<"warning" | "info">(["warning", "info"], "info"),
  start: number,
  end: number,
  message: string,
  suggestion: optional(string, ""),
  replacement: optional<string | null>(string, null),
});

/** What a node is expected to cost, or did cost. */
export interface Cost {
  readonly series: number;
  readonly samples: number;
  readonly rows: number;
  readonly memoryBytes: number;
}

export interface Actual extends Cost {
  /** Seconds, with and without the nodes below. */
  readonly time: number;
  readonly selfTime: number;
}

export interface PlanNode {
  readonly id: number;
  readonly parent: number | null;
  readonly operator: string;
  readonly query: string;
  readonly start: number;
  readonly end: number;
  readonly valueType: string;
  readonly stepInvariant: boolean;
  readonly labels: readonly string[] | null;
  readonly estimate: Cost;
  readonly actual: Actual | null;
}

const cost = { series: number, samples: number, rows: number, memoryBytes: number };
const actual: Decoder<Actual> = object<{ [K in keyof Actual]: Actual[K] }>({ ...cost, time: number, selfTime: number });
const planNode: Decoder<PlanNode> = object<{ [K in keyof PlanNode]: PlanNode[K] }>({
  id: number,
  parent: optional<number | null>(number, null),
  operator: string,
  query: string,
  start: number,
  end: number,
  valueType: string,
  stepInvariant: optional((value) => value === true, false),
  labels: optional<string[] | null>(list(string), null),
  estimate: object<{ [K in keyof Cost]: Cost[K] }>(cost),
  actual: optional<Actual | null>(actual, null),
});

export interface PlanScan {
  readonly matchers: readonly string[];
  readonly series: number;
  readonly readers: number;
}

export interface Plan {
  /** Parents before their children. */
  readonly nodes: readonly PlanNode[];
  readonly scans: readonly PlanScan[];
  /** How often each rule of the optimiser was applied. */
  readonly rules: Readonly<Record<string, number>>;
}

const plan: Decoder<Plan> = object<{ nodes: PlanNode[]; scans: PlanScan[]; rules: Record<string, number> }>({
  nodes: list(planNode),
  scans: list(object<{ [K in keyof PlanScan]: PlanScan[K] }>({ matchers: list(string), series: number, readers: number })),
  rules: optional(record(number), {}),
});

export interface Exemplar {
  readonly labels: Labels;
  readonly value: number;
  /** Seconds. */
  readonly timestamp: number;
}

export interface SeriesExemplars {
  readonly seriesLabels: Labels;
  readonly exemplars: readonly Exemplar[];
}

const seriesExemplars: Decoder<SeriesExemplars> = object<{ seriesLabels: Labels; exemplars: Exemplar[] }>({
  seriesLabels: labels,
  exemplars: list(object<{ [K in keyof Exemplar]: Exemplar[K] }>({ labels, value: sampleValue, timestamp: number })),
});

const when = (grid: Grid): Params => ({ start: String(grid.startS), end: String(grid.endS), step: String(grid.stepS) });

export const queryApi = {
  format: (query: string, stop: AbortSignal) => request("api/v1/format_query", { query }, string, stop),
  lint: (query: string, stop: AbortSignal) => request("api/v1/query_lint", { query }, object<{ findings: Finding[] }>({ findings: optional(list(finding), []) }), stop),
  /** Runs the query to measure it: over a grid, or at one instant (seconds). */
  plan: (query: string, at: Grid | number, stop: AbortSignal) =>
    request("api/v1/query_explain", { query, analyze: "true", ...(typeof at === "number" ? { time: String(at) } : when(at)) }, plan, stop),
  /** The plan without running it. */
  estimate: (query: string, stop: AbortSignal) => request("api/v1/query_explain", { query }, plan, stop),
  exemplars: (query: string, grid: Grid, stop: AbortSignal) => request("api/v1/query_exemplars", { query, start: String(grid.startS), end: String(grid.endS) }, list(seriesExemplars), stop),
};
