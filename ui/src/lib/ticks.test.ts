import { describe, expect, it } from "vitest";
import { fittedRange, niceRange, niceTicks } from "./ticks";

describe("niceTicks", () => {
  it("chooses decimal steps", () => {
    expect(niceTicks(0, 1, 4)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(niceTicks(0, 0.3, 3)).toEqual([0, 0.1, 0.2, 0.3]);
    expect(niceTicks(-1000, 3000, 4)).toEqual([-1000, 0, 1000, 2000, 3000]);
    expect(niceTicks(97, 103, 3)).toEqual([98, 100, 102]);
  });
  it("chooses powers of two for bytes", () => {
    const GIB = 1024 ** 3;
    expect(niceTicks(0, 24 * GIB, 3, "bytes")).toEqual([0, 8 * GIB, 16 * GIB, 24 * GIB]);
    expect(niceTicks(0, 1536, 3, "bytes/s")).toEqual([0, 512, 1024, 1536]);
  });
  it("chooses clock steps for seconds", () => {
    expect(niceTicks(0, 90, 3, "seconds")).toEqual([0, 30, 60, 90]);
  });
  it("survives what is not a range", () => {
    expect(niceTicks(NaN, 1, 4)).toEqual([]);
    expect(niceTicks(2, 1, 4)).toEqual([]);
    expect(niceTicks(5, 5, 4)).toEqual([5]);
  });
});

describe("niceRange", () => {
  it("starts at zero and ends on a tick", () => {
    expect(niceRange(3, 97, "none", 0)).toEqual([0, 100]);
    expect(niceRange(-30, 70, "none", 0)).toEqual([-50, 75]);
  });
  it("is at least as high as the floor, so that noise stays flat", () => {
    expect(niceRange(0, 0.001, "ratio", 0.05)).toEqual([0, 0.06]);
    expect(niceRange(Infinity, -Infinity, "none", 1)).toEqual([0, 1]);
    expect(niceRange(0, 0, "none", 0)).toEqual([0, 1]);
  });
});

describe("fittedRange", () => {
  it("fits the data and centres a flat line", () => {
    expect(fittedRange(1000, 1004, "none")).toEqual([1000, 1004]);
    const [low, high] = fittedRange(50, 50, "none");
    expect(low).toBeLessThan(50);
    expect(high).toBeGreaterThan(50);
  });
});
