import { describe, expect, it } from "vitest";
import { chooseStep, DEFAULT_RANGE, gridOf, rateWindow, readRange, type TimeRange, writeRange, zoomRange } from "./timeRange";

describe("the range in the URL", () => {
  const roundTrip = (range: TimeRange): TimeRange => {
    const params = new URLSearchParams();
    writeRange(params, range);
    return readRange(params);
  };
  it("comes back as it went", () => {
    for (const range of [DEFAULT_RANGE, { kind: "live", lengthMs: 3_600_000 }, { kind: "fixed", fromMs: 1_700_000_000_000, toMs: 1_700_000_600_000 }] as const) {
      expect(roundTrip(range)).toEqual(range);
    }
  });
  it("leaves no trace for the default", () => {
    const params = new URLSearchParams("range=1h&from=1&to=2&instance=a");
    writeRange(params, DEFAULT_RANGE);
    expect(params.toString()).toBe("instance=a");
  });
  it("falls back when it makes no sense", () => {
    for (const text of ["range=soon", "range=1s", "from=5&to=1", "from=x&to=y", "from=1e99&to=2e99"]) {
      expect(readRange(new URLSearchParams(text)), text).toEqual(DEFAULT_RANGE);
    }
  });
});

describe("the grid", () => {
  it("has ends on multiples of its step, so that a refresh does not wobble", () => {
    const grid = gridOf({ kind: "live", lengthMs: 900_000 }, 1_700_000_003_210, 240, 5);
    expect(grid.stepS).toBe(5);
    expect(grid.startS % grid.stepS).toBe(0);
    expect(grid.endS % grid.stepS).toBe(0);
    expect(grid.endS * 1000).toBeLessThanOrEqual(1_700_000_003_210);
  });
  it("is never finer than the scrapes nor beyond the points asked for", () => {
    expect(chooseStep(60_000, 240, 15)).toBe(15);
    expect(chooseStep(3_600_000, 240, 5)).toBe(15);
    expect(chooseStep(30 * 86_400_000, 240, 5)).toBe(10_800);
    expect(chooseStep(10 * 365 * 86_400_000, 240, 5) % 86_400).toBe(0);
  });
  it("asks rate for four scrapes at least and loses none between steps", () => {
    expect(rateWindow(5, 5)).toBe("20s");
    expect(rateWindow(60, 15)).toBe("75s");
  });
  it("widens a drag that would show nothing", () => {
    expect(zoomRange(1_000, 1_002)).toEqual({ kind: "fixed", fromMs: -3_999, toMs: 6_001 });
  });
});
