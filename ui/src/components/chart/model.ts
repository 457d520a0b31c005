// What a chart is told to draw.
import type { Column } from "../../lib/frames";
import type { Unit } from "../../lib/format";

export interface ChartSeries {
  /** Stable over refreshes: what is hidden stays hidden. */
  readonly id: string;
  readonly name: string;
  /** A colour token, `--series-1`. */
  readonly color: string;
  readonly values: Column;
  /** Drawn below zero and read without its sign: writes under reads. */
  readonly mirrored?: boolean;
  /** A reference (number of CPUs), not a measurement: dashed, without a fill. */
  readonly reference?: boolean;
  /** What is left over (free memory): there to complete the whole, not to catch the eye. */
  readonly faint?: boolean;
}

/** Something that happened at one instant of a chart. */
export interface ChartMark {
  /** `exemplar`: one observation; `reset`: a counter began again; `end`: the series' samples stop here. */
  readonly kind: "exemplar" | "reset" | "end";
  /** Seconds since the epoch. */
  readonly t: number;
  readonly v: number;
  /** A colour token. */
  readonly color: string;
  /** What the tooltip says. */
  readonly text: string;
}

export interface ChartData {
  /** Seconds since the epoch, ascending, evenly spaced. */
  readonly times: readonly number[];
  readonly series: readonly ChartSeries[];
  readonly marks?: readonly ChartMark[];
}

export interface ChartLook {
  readonly unit: Unit;
  readonly stacked: boolean;
  /** The least height of the y axis, in base units. */
  readonly floor: number;
  /** A ceiling that the axis always shows, such as 1 for shares of a whole. */
  readonly ceiling?: number;
  /** Fits the axis to the data instead of starting at zero. */
  readonly fitted?: boolean;
}

export const SERIES_COLORS = 16;

/** Returns the colour token of the `index`-th series. */
export function seriesColor(index: number): string {
  return `--series-${(index % SERIES_COLORS) + 1}`;
}
