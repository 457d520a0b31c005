// From an answer to what a chart draws: columns, marks, cells.
import type { Reply } from "../../api/client";
import type { QueryResult } from "../../api/types";
import { classicRows, type Heat, largest, nativeRows, seriesRows } from "../../components/chart/heatmap";
import { findTurns, isCounterName } from "../../components/chart/marks";
import { type ChartData, type ChartMark, seriesColor } from "../../components/chart/model";
import { gridTimes, toColumn } from "../../lib/frames";
import { chooseStep, type Grid } from "../../lib/timeRange";
import { distinctNames, metricText } from "./metricText";
import type { Exemplar, SeriesExemplars } from "./queryApi";
import type { Density, PanelState } from "./queryUrl";

export interface GraphAnswer {
  readonly reply: Reply<QueryResult>;
  readonly grid: Grid;
  readonly exemplars: readonly SeriesExemplars[];
}

const POINTS: Readonly<Record<Density, number>> = { low: 120, medium: 300, high: 1_000 };
// The server refuses more than 11,000 points a series.
const MAX_POINTS = 11_000;
// Marks of many series are a rash, not a hint.
const SERIES_WITH_MARKS = 20;
// Places on the time axis that can have an exemplar of their own.
const EXEMPLAR_PLACES = 80;

/** Returns the grid of a panel; a step too fine for the server's limit is raised to it. */
export function graphGrid(panel: PanelState, nowMs: number): Grid {
  const endS = Math.floor((panel.endMs ?? nowMs) / 1000);
  const rangeS = panel.rangeMs / 1000;
  const stepS = Math.max(panel.stepS ?? chooseStep(panel.rangeMs, POINTS[panel.density], 1), Math.ceil(rangeS / MAX_POINTS));
  return { startS: endS - Math.floor(rangeS / stepS) * stepS, endS, stepS };
}

/** What a mark is called; the caller speaks the reader's language. */
export interface MarkTexts {
  readonly reset: string;
  readonly end: string;
  readonly exemplar: string;
}

/** Lays an answer out for the chart: the first `limit` series. */
export function graphData(answer: GraphAnswer, limit: number, texts: MarkTexts): ChartData {
  const times = gridTimes(answer.grid);
  const frames = (answer.reply.data.kind === "matrix" ? answer.reply.data.frames : []).slice(0, limit);
  const marks: ChartMark[] = [];
  const names = distinctNames(frames.map((frame) => frame.labels));
  const series = frames.map((frame, at) => {
    const id = metricText(frame.labels);
    const color = seriesColor(at);
    const values = toColumn(frame, answer.grid, times.length);
    if (frames.length <= SERIES_WITH_MARKS) {
      for (const { kind, index } of findTurns(values, isCounterName(frame.labels["__name__"] ?? ""))) {
        marks.push({ kind, t: times[index] ?? 0, v: values[index] ?? 0, color, text: kind === "reset" ? texts.reset : texts.end });
      }
    }
    return { id, name: names[at] ?? id, color, values };
  });
  for (const { timestamp, value, labels } of thinned(answer)) {
    marks.push({ kind: "exemplar", t: timestamp, v: value, color: "--series-5", text: `${texts.exemplar} ${Object.values(labels).join(" ")}` });
  }
  return { times, series, marks };
}

/** Returns the largest exemplar of each stretch of time: the slowest request is the one worth a look. */
function thinned({ exemplars, grid }: GraphAnswer): Exemplar[] {
  const width = Math.max(grid.stepS, (grid.endS - grid.startS) / EXEMPLAR_PLACES);
  const largest = new Map<number, Exemplar>();
  for (const one of exemplars.flatMap((series) => series.exemplars)) {
    const place = Math.floor((one.timestamp - grid.startS) / width);
    const known = largest.get(place);
    if (known === undefined || one.value > known.value) largest.set(place, one);
  }
  return [...largest.values()];
}

/** Lays an answer out as a heat map: native histograms, `le` buckets, or at most `limit` series as they are. */
export function heatData(answer: GraphAnswer, limit: number): Heat {
  const times = gridTimes(answer.grid);
  const data = answer.reply.data;
  if (data.kind !== "matrix") return { times, rows: [], max: 0 };
  const isClassic = data.frames.length > 0 && data.frames.every((frame) => frame.labels["le"] !== undefined);
  const rows = data.histograms.length > 0 ? nativeRows(data.histograms, answer.grid, times.length) : isClassic ? classicRows(data.frames, answer.grid, times.length) : seriesRows(data.frames.slice(0, limit), answer.grid, times.length, (frame) => metricText(frame.labels));
  return { times, rows, max: largest(rows) };
}
