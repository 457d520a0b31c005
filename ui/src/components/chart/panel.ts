// A chart described by its queries: asked over a grid, laid out as columns.
import { api } from "../../api/client";
import type { Labels } from "../../api/types";
import type { Frame } from "../../lib/frames";
import { gridTimes, toColumn } from "../../lib/frames";
import type { Grid } from "../../lib/timeRange";
import { type ChartData, type ChartSeries, seriesColor } from "./model";

export interface PanelQuery {
  readonly expr: string;
  readonly name: (labels: Labels) => string;
  /** Fixed colour; else colours follow the order of the series. */
  readonly color?: string;
  readonly mirrored?: boolean;
  readonly reference?: boolean;
  readonly faint?: boolean;
  /** Which of the answer's series are meant; queries with one text are asked once. */
  readonly keep?: (labels: Labels) => boolean;
  /** What tells the series of the answer apart; else the device or mode. */
  readonly key?: (labels: Labels) => string;
}

// A machine with hundreds of interfaces gets its first ones, not an unreadable chart.
const MAX_SERIES = 24;

/** Asks each distinct expression once; the answers come in the order of `exprs`. */
export async function fetchFrames(exprs: readonly string[], grid: Grid, stop: AbortSignal): Promise<readonly (readonly Frame[])[]> {
  const distinct = [...new Set(exprs)];
  const answers = await Promise.all(
    distinct.map(async (query) => {
      const { data } = await api.queryRange({ query, ...grid }, stop);
      return data.kind === "matrix" ? data.frames : [];
    }),
  );
  return exprs.map((expr) => answers[distinct.indexOf(expr)] ?? []);
}

function deviceKey(labels: Labels): string {
  return labels["device"] ?? labels["interface"] ?? labels["mode"] ?? "";
}

/** Lays the answers of a panel's queries on the grid; a device keeps one colour over all its queries when they mirror. */
export function buildChart(queries: readonly PanelQuery[], answers: readonly (readonly Frame[])[], grid: Grid): ChartData {
  const times = gridTimes(grid);
  const devices = new Set(answers.flatMap((frames, index) => frames.map((frame) => (queries[index]?.key ?? deviceKey)(frame.labels))));
  // With one device there is no identity to keep, and two colours tell the directions apart better.
  const mirrors = devices.size > 1 && queries.some((query) => query.mirrored === true);
  const colorOf = new Map<string, string>();
  const series: ChartSeries[] = [];
  queries.forEach((query, queryIndex) => {
    const keyOf = query.key ?? deviceKey;
    const frames = (answers[queryIndex] ?? [])
      .filter((frame) => query.keep?.(frame.labels) ?? true)
      .toSorted((a, b) => keyOf(a.labels).localeCompare(keyOf(b.labels), "en", { numeric: true }));
    for (const frame of frames) {
      const key = mirrors ? keyOf(frame.labels) : `${queryIndex} ${keyOf(frame.labels)}`;
      const fresh = colorOf.get(key) ?? seriesColor(colorOf.size);
      colorOf.set(key, fresh);
      series.push({
        id: `${queryIndex} ${keyOf(frame.labels)}`,
        name: query.name(frame.labels),
        color: query.color ?? fresh,
        values: toColumn(frame, grid, times.length),
        mirrored: query.mirrored ?? false,
        reference: query.reference ?? false,
        faint: query.faint ?? false,
      });
    }
  });
  return { times, series: series.slice(0, MAX_SERIES) };
}
