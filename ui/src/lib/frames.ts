// Columns for the charts: series laid on one grid, and stacked.
import type { Grid } from "./timeRange";

/** Samples of one series; `t` in seconds since the epoch, ascending, same length as `v`. */
export interface Frame {
  readonly labels: Readonly<Record<string, string>>;
  readonly t: Float64Array;
  readonly v: Float64Array;
}

/** One column of a chart, a value a grid point; `null` where the series has no sample. */
export type Column = (number | null)[];

/** Returns the instants of a grid, in seconds. */
export function gridTimes(grid: Grid): number[] {
  const count = Math.max(0, Math.floor((grid.endS - grid.startS) / grid.stepS + 1e-9) + 1);
  return Array.from({ length: count }, (_, index) => grid.startS + index * grid.stepS);
}

/** Returns the frame's values on the grid; samples that lie on no grid point are dropped, NaN becomes a gap. */
export function toColumn(frame: Frame, grid: Grid, length: number): Column {
  const column: Column = new Array<number | null>(length).fill(null);
  for (let index = 0; index < frame.t.length; index += 1) {
    const slot = Math.round(((frame.t[index] ?? 0) - grid.startS) / grid.stepS);
    const value = frame.v[index];
    if (slot >= 0 && slot < length && value !== undefined && Number.isFinite(value)) column[slot] = value;
  }
  return column;
}

/** Returns running sums, first column lowest; a gap counts as zero for those above it and stays a gap itself. */
export function stackColumns(columns: readonly Column[]): Column[] {
  const sums: number[] = [];
  return columns.map((column) =>
    column.map((value, index) => {
      if (value === null) return null;
      const sum = (sums[index] ?? 0) + value;
      sums[index] = sum;
      return sum;
    }),
  );
}

/** Returns the last sample of a column and where it is, or `null` when there is none. */
export function lastOf(column: Column): { index: number; value: number } | null {
  for (let index = column.length - 1; index >= 0; index -= 1) {
    const value = column[index];
    if (value !== null && value !== undefined) return { index, value };
  }
  return null;
}

/** Returns least and greatest of some columns; both infinite when they are empty. */
export function extentOf(columns: readonly Column[]): readonly [number, number] {
  let min = Infinity;
  let max = -Infinity;
  for (const column of columns) {
    for (const value of column) {
      if (value === null) continue;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  return [min, max];
}
