// Which stretch of time a page shows, and how finely it is asked for.
import { formatDuration, parseDuration } from "./duration";

/** `live` ends now and moves; `fixed` is two instants. All in ms since the epoch. */
export type TimeRange =
  | { readonly kind: "live"; readonly lengthMs: number }
  | { readonly kind: "fixed"; readonly fromMs: number; readonly toMs: number };

/** One request's grid: `startS`, `endS` and `stepS` in seconds, both ends multiples of the step. */
export interface Grid {
  readonly startS: number;
  readonly endS: number;
  readonly stepS: number;
}

export const PRESETS_MS = ["5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "7d", "30d"].map((text) => parseDuration(text) ?? 0);
export const DEFAULT_RANGE: TimeRange = { kind: "live", lengthMs: 15 * 60_000 };

const STEPS_S = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400] as const;
const MIN_LENGTH_MS = 10_000;

/** Returns the step that gives at most `points` points, never finer than the scrape interval. */
export function chooseStep(lengthMs: number, points: number, scrapeIntervalS: number): number {
  const rough = Math.max(lengthMs / 1000 / Math.max(1, points), scrapeIntervalS, 1);
  return STEPS_S.find((step) => step >= rough) ?? Math.ceil(rough / 86_400) * 86_400;
}

/**
 * Returns the grid of a range. Ends are multiples of the step so that a refresh adds points instead of
 * wobbling all of them, and so that every chart of a page shares its instants.
 */
export function gridOf(range: TimeRange, nowMs: number, points: number, scrapeIntervalS: number): Grid {
  const { fromMs, toMs } = boundsOf(range, nowMs);
  const stepS = chooseStep(toMs - fromMs, points, scrapeIntervalS);
  return {
    startS: Math.ceil(fromMs / 1000 / stepS) * stepS,
    endS: Math.floor(toMs / 1000 / stepS) * stepS,
    stepS,
  };
}

/** Returns the instants of a range. */
export function boundsOf(range: TimeRange, nowMs: number): { fromMs: number; toMs: number } {
  return range.kind === "live" ? { fromMs: nowMs - range.lengthMs, toMs: nowMs } : { fromMs: range.fromMs, toMs: range.toMs };
}

/** Returns the window for `rate` so that every step sees at least four scrapes: none are lost between steps. */
export function rateWindow(stepS: number, scrapeIntervalS: number): string {
  const seconds = Math.max(stepS + scrapeIntervalS, 4 * scrapeIntervalS);
  return `${Math.ceil(seconds)}s`;
}

/** Reads `range=1h` or `from=…&to=…` (ms); anything unreadable falls back to `fallback`. */
export function readRange(params: URLSearchParams, fallback: TimeRange = DEFAULT_RANGE): TimeRange {
  const from = instant(params.get("from"));
  const to = instant(params.get("to"));
  if (from !== null && to !== null && to - from >= MIN_LENGTH_MS) return { kind: "fixed", fromMs: from, toMs: to };
  const length = parseDuration(params.get("range") ?? "");
  return length !== null && length >= MIN_LENGTH_MS ? { kind: "live", lengthMs: length } : fallback;
}

/** Writes what {@link readRange} reads; the default leaves no trace. */
export function writeRange(params: URLSearchParams, range: TimeRange): void {
  params.delete("range");
  params.delete("from");
  params.delete("to");
  if (range.kind === "fixed") {
    params.set("from", String(range.fromMs));
    params.set("to", String(range.toMs));
  } else if (range.lengthMs !== (DEFAULT_RANGE.kind === "live" ? DEFAULT_RANGE.lengthMs : 0)) {
    params.set("range", formatDuration(range.lengthMs));
  }
}

/** Returns the range of a drag over a chart, widened to what still shows something. */
export function zoomRange(fromMs: number, toMs: number): TimeRange {
  const middle = (fromMs + toMs) / 2;
  const half = Math.max(toMs - fromMs, MIN_LENGTH_MS) / 2;
  return { kind: "fixed", fromMs: Math.round(middle - half), toMs: Math.round(middle + half) };
}

function instant(text: string | null): number | null {
  if (text === null || !/^\d{1,15}$/.test(text)) return null;
  return Number(text);
}
