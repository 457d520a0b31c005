// Axis ticks at numbers that people would have chosen.
import type { Unit } from "./format";

const DECIMAL_STEPS = [1, 2, 2.5, 5, 10] as const;
const BINARY_STEPS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] as const;
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400] as const;

/** Returns the smallest pleasant increment that covers `span` in at most `count` steps. */
export function niceStep(span: number, count: number, unit: Unit): number {
  if (!(span > 0) || !Number.isFinite(span)) return 1;
  const rough = span / Math.max(1, count);
  if (unit === "seconds" && rough >= 1) {
    const step = TIME_STEPS.find((candidate) => candidate >= rough);
    return step ?? Math.ceil(rough / 86_400) * 86_400;
  }
  if ((unit === "bytes" || unit === "bytes/s") && rough >= 1) {
    const power = 1024 ** Math.floor(Math.log2(rough) / 10);
    const step = BINARY_STEPS.find((candidate) => candidate * power >= rough) ?? 1024;
    return step * power;
  }
  const power = 10 ** Math.floor(Math.log10(rough));
  // The tolerance keeps 0.3 / 3 from becoming the next step because of binary fractions.
  const step = DECIMAL_STEPS.find((candidate) => candidate * power >= rough * (1 - 1e-9)) ?? 10;
  return step * power;
}

/** Returns ascending ticks at multiples of a pleasant increment within `[min, max]`. */
export function niceTicks(min: number, max: number, count: number, unit: Unit = "short"): number[] {
  if (!Number.isFinite(min) || !Number.isFinite(max) || max < min) return [];
  if (max === min) return [min];
  const step = niceStep(max - min, count, unit);
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  const ticks: number[] = [];
  for (let index = first; index <= last; index += 1) {
    // Multiplying, not adding, keeps errors from growing; the round trip trims 0.30000000000000004.
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

/**
 * Returns the range of a y axis for data within `[min, max]`: it includes zero, ends on a tick, and is at least
 * `floor` high so that noise on an idle machine does not look like drama.
 */
export function niceRange(min: number, max: number, unit: Unit, floor: number): readonly [number, number] {
  const high = Math.max(0, Number.isFinite(max) ? max : 0, min >= 0 || !Number.isFinite(min) ? floor : 0);
  const low = Math.min(0, Number.isFinite(min) ? min : 0);
  if (high === low) return [0, 1];
  const step = niceStep(high - low, 4, unit);
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

/** Returns the range of a y axis that fits its data: both ends on ticks, a flat line in the middle. */
export function fittedRange(min: number, max: number, unit: Unit): readonly [number, number] {
  if (!Number.isFinite(min) || !Number.isFinite(max)) return [0, 1];
  if (min === max) {
    const half = min === 0 ? 1 : Math.abs(min) * 0.1;
    return fittedRange(min - half, max + half, unit);
  }
  const step = niceStep(max - min, 4, unit);
  return [Math.floor(min / step + 1e-9) * step, Math.ceil(max / step - 1e-9) * step];
}
