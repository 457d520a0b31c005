import { describe, expect, it } from "vitest";
import { extentOf, gridTimes, lastOf, stackColumns, toColumn } from "./frames";

const grid = { startS: 10, endS: 30, stepS: 5 };

describe("columns", () => {
  it("lie on the grid, with gaps where samples are missing or not numbers", () => {
    const frame = { labels: {}, t: Float64Array.of(10, 20, 25, 99), v: Float64Array.of(1, 2, NaN, 9) };
    expect(gridTimes(grid)).toEqual([10, 15, 20, 25, 30]);
    expect(toColumn(frame, grid, 5)).toEqual([1, null, 2, null, null]);
  });
  it("stack upon each other; a gap weighs nothing", () => {
    expect(stackColumns([[1, 2, null], [10, null, 30], [100, 200, 300]])).toEqual([[1, 2, null], [11, null, 30], [111, 202, 330]]);
  });
  it("know their last value and their extent", () => {
    expect(lastOf([1, 5, null])).toEqual({ index: 1, value: 5 });
    expect(lastOf([null])).toBeNull();
    expect(extentOf([[3, null, -1], [7]])).toEqual([-1, 7]);
  });
});
