import { describe, expect, it } from "vitest";
import { classicRows, largest, nativeRows, strength } from "./heatmap";

const grid = { startS: 0, endS: 10, stepS: 10 };
const frame = (le: string, v: number[]) => ({ labels: { le }, t: new Float64Array([0, 10]), v: new Float64Array(v) });

describe("a heat map", () => {
  it("takes cumulative buckets apart, in the order of their bounds, and adds up series", () => {
    const rows = classicRows([frame("+Inf", [5, 9]), frame("0.5", [2, 4]), frame("10", [4, 4]), frame("0.5", [1, 0])], grid, 2);
    expect(rows.map(({ low, high, counts }) => [low, high, ...counts])).toEqual([[0, 0.5, 3, 4], [0.5, 10, 1, 0], [10, Infinity, 1, 5]]);
    expect(largest(rows)).toBe(5);
  });
  it("gives native buckets a row each, also those that come later", () => {
    const bucket = (low: number, count: number) => ({ rule: 0, low, high: low * 2, count });
    const rows = nativeRows([{ labels: {}, t: [0, 10], values: [{ count: 1, sum: 1, buckets: [bucket(2, 1)] }, { count: 4, sum: 1, buckets: [bucket(1, 3), bucket(2, 1)] }] }], grid, 2);
    expect(rows.map(({ low, counts }) => [low, ...counts])).toEqual([[1, 0, 3], [2, 1, 1]]);
  });
  it("shows rare counts beside frequent ones", () => {
    expect(strength(1, 100)).toBeCloseTo(0.1);
    expect(strength(0, 100)).toBe(0);
    expect(strength(-1, 0)).toBe(0);
  });
});
