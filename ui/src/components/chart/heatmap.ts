// From series to the cells of a heat map: classic buckets, native histograms, or a row a series.
import type { HistogramFrame } from "../../api/types";
import { type Frame, toColumn } from "../../lib/frames";
import type { Grid } from "../../lib/timeRange";

/** One row, lowest first. `high` is `null` where the row is no bucket but a series of this name. */
export interface HeatRow {
  readonly low: number;
  readonly high: number | null;
  readonly name: string;
  /** A count a grid point; 0 where there is nothing. */
  readonly counts: Float64Array;
}

export interface Heat {
  readonly times: readonly number[];
  readonly rows: readonly HeatRow[];
  /** The largest count. */
  readonly max: number;
}

function bound(text: string): number {
  return text === "+Inf" || text === "Inf" ? Infinity : Number(text);
}

/** Returns the rows of cumulative `le` buckets: each row is what its bucket has more than the one below. */
export function classicRows(frames: readonly Frame[], grid: Grid, length: number): HeatRow[] {
  const byBound = new Map<number, Float64Array>();
  for (const frame of frames) {
    const le = bound(frame.labels["le"] ?? "");
    if (Number.isNaN(le)) continue;
    const sums = byBound.get(le) ?? new Float64Array(length);
    toColumn(frame, grid, length).forEach((value, index) => {
      sums[index] = (sums[index] ?? 0) + (value ?? 0);
    });
    byBound.set(le, sums);
  }
  const bounds = [...byBound.keys()].sort((a, b) => a - b);
  return bounds.map((high, index) => {
    const below = index === 0 ? undefined : byBound.get(bounds[index - 1] ?? 0);
    const own = byBound.get(high) ?? new Float64Array(length);
    // Buckets are scraped one after the other: a difference below zero is a race, not a count.
    const counts = own.map((value, at) => Math.max(0, value - (below?.[at] ?? 0)));
    return { low: bounds[index - 1] ?? (high > 0 ? 0 : -Infinity), high, name: "", counts };
  });
}

/** Returns a row for each bucket that any of the histograms has. */
export function nativeRows(histograms: readonly HistogramFrame[], grid: Grid, length: number): HeatRow[] {
  const rows = new Map<string, { low: number; high: number; counts: Float64Array }>();
  for (const frame of histograms) {
    frame.values.forEach((value, index) => {
      const slot = Math.round(((frame.t[index] ?? 0) - grid.startS) / grid.stepS);
      if (slot < 0 || slot >= length) return;
      for (const { low, high, count } of value.buckets) {
        const key = `${low} ${high}`;
        const row = rows.get(key) ?? { low, high, counts: new Float64Array(length) };
        row.counts[slot] = (row.counts[slot] ?? 0) + Math.max(0, count);
        rows.set(key, row);
      }
    });
  }
  return [...rows.values()].sort((a, b) => a.low - b.low || a.high - b.high).map((row) => ({ ...row, name: "" }));
}

/** Returns a row for each series. */
export function seriesRows(frames: readonly Frame[], grid: Grid, length: number, nameOf: (frame: Frame) => string): HeatRow[] {
  return frames.map((frame) => ({ low: 0, high: null, name: nameOf(frame), counts: Float64Array.from(toColumn(frame, grid, length), (value) => Math.max(0, value ?? 0)) }));
}

/** Returns how strong a cell is, 0 to 1. The root lets rare counts be seen beside frequent ones. */
export function strength(count: number, max: number): number {
  return count > 0 && max > 0 ? Math.sqrt(count / max) : 0;
}

export function largest(rows: readonly HeatRow[]): number {
  let max = 0;
  for (const row of rows) for (const count of row.counts) if (count > max) max = count;
  return max;
}
