import { describe, expect, it } from "vitest";
import { rowsInSight } from "./VirtualRows";

describe("rows in sight", () => {
  it("are few, whatever the length of the table", () => {
    expect(rowsInSight(100_000, 0, 640).end).toBeLessThan(40);
    const { first, end } = rowsInSight(100_000, 34 * 50_000, 640);
    expect(first).toBeLessThanOrEqual(50_000);
    expect(end).toBeGreaterThan(50_018);
    expect(end - first).toBeLessThan(60);
  });
  it("stay within the table", () => {
    expect(rowsInSight(10, 99_999, 640)).toEqual({ first: 9, end: 10 });
    expect(rowsInSight(0, 0, 640)).toEqual({ first: 0, end: 0 });
  });
});
