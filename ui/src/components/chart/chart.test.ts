import { describe, expect, it } from "vitest";
import { nextHidden } from "./hidden";
import { drawnColumns, withAlpha } from "./plot";
import { sparkPath } from "./Sparkline";

describe("the legend", () => {
  const all = ["a", "b", "c"];
  it("isolates on a click, and shows all on the next", () => {
    const isolated = nextHidden(new Set(), all, "b", false);
    expect([...isolated]).toEqual(["a", "c"]);
    expect(nextHidden(isolated, all, "b", false).size).toBe(0);
  });
  it("toggles with a modifier, and never hides everything", () => {
    expect([...nextHidden(new Set(["a"]), all, "b", true)]).toEqual(["a", "b"]);
    expect([...nextHidden(new Set(["a"]), all, "a", true)]).toEqual([]);
    expect(nextHidden(new Set(["a", "b"]), all, "c", true).size).toBe(0);
  });
});

describe("drawing", () => {
  it("mirrors what lies below, and stacks what is stacked", () => {
    const one = { id: "a", name: "a", color: "--series-1", values: [1, null] };
    expect(drawnColumns([one, { ...one, mirrored: true }], false)).toEqual([[1, null], [-1, null]]);
    expect(drawnColumns([one, one], true)).toEqual([[1, null], [2, null]]);
  });
  it("fades any colour the browser resolves", () => {
    expect(withAlpha("rgb(1, 2, 3)", 0.5)).toBe("rgba(1, 2, 3, 0.5)");
  });
  it("breaks a sparkline at gaps and keeps it in its box", () => {
    const { line } = sparkPath([0, 1, null, 5, 1], 1);
    expect(line.match(/M/g)).toHaveLength(2);
    expect(line).not.toContain("-");
  });
});
