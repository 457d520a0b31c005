// From our model to uPlot's options: pure but for the colours, which come from the page's tokens.
import type uPlot from "uplot";
import type { Column } from "../../lib/frames";
import { stackColumns } from "../../lib/frames";
import type { Locale, Unit } from "../../lib/format";
import { formatTick } from "../../lib/format";
import { fittedRange, niceRange, niceTicks } from "../../lib/ticks";
import { formatAxisTime, shownZone } from "../../lib/time";
import { drawMarks } from "./marks";
import type { ChartData, ChartLook, ChartMark, ChartSeries } from "./model";

/** Resolves colour tokens for canvas; one probe element a plot. */
export function makeResolver(host: HTMLElement): (token: string) => string {
  const cache = new Map<string, string>();
  return (token) => {
    let color = cache.get(token);
    if (color === undefined) {
      host.style.color = `var(${token})`;
      color = getComputedStyle(host).color;
      host.style.removeProperty("color");
      cache.set(token, color);
    }
    return color;
  };
}

/** Returns `rgb(r, g, b)` with an opacity. */
export function withAlpha(color: string, alpha: number): string {
  const match = /^rgba?\(([\d.]+),\s*([\d.]+),\s*([\d.]+)/.exec(color);
  return match === null ? color : `rgba(${match[1]}, ${match[2]}, ${match[3]}, ${alpha})`;
}

/** Returns what is drawn: stacked sums or mirrored values. */
export function drawnColumns(series: readonly ChartSeries[], stacked: boolean): Column[] {
  if (stacked) return stackColumns(series.map((one) => one.values));
  return series.map((one) => (one.mirrored === true ? one.values.map((value) => (value === null ? null : -value)) : one.values));
}

/** Returns uPlot's data: times, then a column a series. */
export function plotData(times: ChartData["times"], series: readonly ChartSeries[], stacked: boolean): uPlot.AlignedData {
  return [times as number[], ...drawnColumns(series, stacked)];
}

const TICK_SPACE_PX = 38;

function yAxis(unit: Unit, mirrored: boolean, locale: Locale, color: string, grid: string, font: string): uPlot.Axis {
  const ticks = (u: uPlot, min: number, max: number): number[] => niceTicks(min, max, Math.max(2, Math.floor(u.bbox.height / devicePixelRatio / TICK_SPACE_PX)), unit);
  return {
    stroke: color,
    font,
    size: 66,
    gap: 6,
    grid: { stroke: grid, width: 1 },
    ticks: { show: false },
    splits: (u, _axis, min, max) => ticks(u, min, max),
    values: (_u, splits) => {
      const step = (splits[1] ?? 1) - (splits[0] ?? 0);
      // Mirrored series lie below zero but are read without their sign.
      return splits.map((value) => formatTick(mirrored ? Math.abs(value) : value, step, unit, locale));
    },
  };
}

/** Returns a date whose local fields are those of the zone shown: uPlot puts its time ticks by them. */
export function tickDate(seconds: number): Date {
  const ms = seconds * 1000;
  return shownZone() === "utc" ? new Date(ms + new Date(ms).getTimezoneOffset() * 60_000) : new Date(ms);
}

export function xAxis(locale: Locale, color: string, grid: string, font: string): uPlot.Axis {
  return {
    stroke: color,
    font,
    size: 28,
    gap: 6,
    space: 76,
    grid: { stroke: grid, width: 1 },
    ticks: { show: false },
    values: (_u, splits, _axis, _space, increment) => splits.map((time) => formatAxisTime(time, increment, locale)),
  };
}

function plotSeries(one: ChartSeries, look: ChartLook, color: string): uPlot.Series {
  const fill = one.reference === true ? {} : { fill: withAlpha(color, one.faint === true ? 0.14 : look.stacked ? 0.72 : look.fitted === true ? 0 : 0.1) };
  return {
    label: one.name,
    stroke: color,
    // Outlines of a stack would lie on the layer below wherever a layer has no height.
    width: look.stacked ? 0 : 1.5,
    spanGaps: false,
    ...fill,
    ...(one.reference === true ? { dash: [6, 4] } : {}),
    // A lone point between gaps would be invisible as a line.
    points: { show: false },
  };
}

export interface PlotContext {
  readonly width: number;
  readonly height: number;
  readonly locale: Locale;
  readonly syncKey: string | null;
  readonly resolve: (token: string) => string;
  readonly onCursor: (index: number | null, left: number, top: number) => void;
  readonly onZoom: (fromS: number, toS: number) => void;
  readonly marks: () => readonly ChartMark[];
}

/** Calls back with the dragged range, and takes the selection away. */
export function zoomHook(onZoom: (fromS: number, toS: number) => void): (u: uPlot) => void {
  return (u) => {
    if (u.select.width < 4) return;
    const from = u.posToVal(u.select.left, "x");
    const to = u.posToVal(u.select.left + u.select.width, "x");
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    onZoom(from, to);
  };
}

/** Returns the options of one plot. */
export function plotOptions(series: readonly ChartSeries[], look: ChartLook, ctx: PlotContext): uPlot.Options {
  const text = ctx.resolve("--text-3");
  const grid = ctx.resolve("--grid");
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const bands = look.stacked ? series.slice(1).map((_, index): uPlot.Band => ({ series: [index + 2, index + 1] })) : [];
  return {
    width: ctx.width,
    height: ctx.height,
    // On the right half a time label fits.
    padding: [8, 22, 0, 0],
    legend: { show: false },
    tzDate: tickDate,
    cursor: {
      y: false,
      points: { size: 6, width: 1.5 },
      drag: { x: true, y: false, setScale: false },
      ...(ctx.syncKey === null ? {} : { sync: { key: ctx.syncKey, setSeries: false } }),
    },
    scales: {
      x: { time: true },
      y: {
        range: (_u, min, max) => {
          const [low, high] = look.fitted === true ? fittedRange(min ?? 0, max ?? 0, look.unit) : niceRange(min ?? 0, max ?? 0, look.unit, look.floor);
          // Shares of a whole add up to 100.3 % now and then: rounding must not cost half the height.
          const whole = look.ceiling !== undefined && (max ?? 0) <= look.ceiling * 1.02;
          return [low, whole ? look.ceiling : high];
        },
      },
    },
    axes: [xAxis(ctx.locale, text, grid, font), yAxis(look.unit, series.some((one) => one.mirrored === true), ctx.locale, text, grid, font)],
    series: [{}, ...series.map((one) => plotSeries(one, look, ctx.resolve(one.color)))],
    bands,
    hooks: {
      setCursor: [(u) => ctx.onCursor(u.cursor.idx ?? null, u.cursor.left ?? -1, u.cursor.top ?? -1)],
      setSelect: [zoomHook(ctx.onZoom)],
      draw: [(u) => drawMarks(u, ctx.marks(), ctx.resolve)],
    },
  };
}
