// Loading for the host page: range queries become chart columns.
import { api } from "../../api/client";
import type { Labels, VectorSample } from "../../api/types";
import type { ChartData, ChartSeries } from "../../components/chart/model";
import { seriesColor } from "../../components/chart/model";
import type { Frame } from "../../lib/frames";
import { gridTimes, toColumn } from "../../lib/frames";
import type { Grid } from "../../lib/timeRange";
import type { PanelQuery } from "./panels";

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

/** Asks for the newest values. */
export async function fetchVector(query: string, stop: AbortSignal): Promise<readonly VectorSample[]> {
  const { data } = await api.query(query, null, stop);
  return data.kind === "vector" ? data.samples : [];
}

function sortKey(labels: Labels): string {
  return labels["device"] ?? labels["mode"] ?? "";
}

/** Lays the answers of a panel's queries on the grid; a device keeps one colour over all its queries when they mirror. */
export function buildChart(queries: readonly PanelQuery[], answers: readonly (readonly Frame[])[], grid: Grid): ChartData {
  const times = gridTimes(grid);
  const devices = new Set(answers.flat().map((frame) => sortKey(frame.labels)));
  // With one device there is no identity to keep, and two colours tell the directions apart better.
  const mirrors = devices.size > 1 && queries.some((query) => query.mirrored === true);
  const colorOf = new Map<string, string>();
  const series: ChartSeries[] = [];
  queries.forEach((query, queryIndex) => {
    const frames = (answers[queryIndex] ?? [])
      .filter((frame) => query.keep?.(frame.labels) ?? true)
      .toSorted((a, b) => sortKey(a.labels).localeCompare(sortKey(b.labels), "en", { numeric: true }));
    for (const frame of frames) {
      const key = mirrors ? sortKey(frame.labels) : `${queryIndex} ${sortKey(frame.labels)}`;
      const fresh = colorOf.get(key) ?? seriesColor(colorOf.size);
      colorOf.set(key, fresh);
      series.push({
        id: `${queryIndex} ${sortKey(frame.labels)}`,
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
