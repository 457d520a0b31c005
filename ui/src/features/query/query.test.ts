import { describe, expect, it } from "vitest";
import { newEcho } from "./echo";
import { distinctNames, metricText } from "./metricText";
import { offsetOf, readPosition } from "./queryError";
import { NEW_PANEL, readPanels, writePanels } from "./queryUrl";

describe("the query page's URL", () => {
  it("comes back as it went", () => {
    const panels = [
      { ...NEW_PANEL, expr: 'up{job="a b"} + 1' },
      { expr: "rate(x[5m])", tab: "graph", rangeMs: 900_000, endMs: 1_700_000_000_000, stepS: 15, density: "medium", display: "stacked", fromZero: true, exemplars: true },
      { ...NEW_PANEL, expr: "x", tab: "explain", density: "high", display: "heatmap" },
    ] as const;
    expect(readPanels(new URLSearchParams(writePanels(panels).toString()))).toEqual(panels);
  });
  it("opens links made for Prometheus, old and new", () => {
    const old = readPanels(new URLSearchParams("g0.expr=up&g0.tab=0&g0.stacked=1&g0.range_input=15m&g0.end_input=2026-11-21 09:30:00&g0.step_input=60"));
    expect(old).toEqual([{ ...NEW_PANEL, expr: "up", tab: "graph", rangeMs: 900_000, endMs: Date.UTC(2026, 10, 21, 9, 30), stepS: 60, display: "stacked" }]);
    expect(readPanels(new URLSearchParams("g0.expr=a&g0.show_tree=1&g0.tab=table"))[0]?.tab).toBe("explain");
    expect(readPanels(new URLSearchParams("g0.expr=a&g0.tab=1&g1.expr=b&g1.tab=graph&g1.show_exemplars=0")).map((panel) => panel.tab)).toEqual(["table", "graph"]);
  });
  it("has one empty panel when there is none, and not thousands", () => {
    expect(readPanels(new URLSearchParams())).toEqual([NEW_PANEL]);
    const many = new URLSearchParams();
    for (let index = 0; index < 1000; index += 1) many.set(`g${index}.expr`, "up");
    expect(readPanels(many)).toHaveLength(32);
  });
});

describe("positions in errors", () => {
  it("are read out of the server's message", () => {
    expect(readPosition('invalid parameter "query": 1:5: parse error: unexpected ")"')).toEqual({ line: 1, column: 5, message: 'unexpected ")"' });
    expect(readPosition("2:13: parse error: no\nmore")).toEqual({ line: 2, column: 13, message: "no\nmore" });
    expect(readPosition("query timed out")).toBeNull();
    expect(readPosition("dial 127.0.0.1:9090: refused")).toBeNull();
  });
  it("become offsets within the text", () => {
    const at = (text: string, line: number, column: number): number => offsetOf(text, { line, column, message: "" });
    expect(at("sum(up", 1, 7)).toBe(6);
    expect(at("a +\nb )", 2, 3)).toBe(6);
    expect(at("a", 9, 9)).toBe(1);
  });
});

describe("metric names", () => {
  it("in a legend say what differs, and all when there is one", () => {
    expect(distinctNames([{ __name__: "up", job: "a", cpu: "0" }, { __name__: "up", job: "a", cpu: "1" }])).toEqual(['{cpu="0"}', '{cpu="1"}']);
    expect(distinctNames([{ __name__: "up", job: "a" }])).toEqual(['up{job="a"}']);
    expect(distinctNames([{ a: "1" }, { a: "1", b: "2" }])).toEqual(["{}", '{b="2"}']);
  });
  it("read as selectors", () => {
    expect(metricText({ __name__: "up", job: "a", instance: 'x"y' })).toBe('up{instance="x\\"y", job="a"}');
    expect(metricText({})).toBe("{}");
    expect(metricText({ __name__: "http.requests", "a.b": "c" })).toBe('{"http.requests", "a.b"="c"}');
  });
});

describe("what the editor told", () => {
  it("is known when it comes back, late or with steps left out; what others want is not", () => {
    const echo = newEcho();
    for (const text of ["s", "su", "sum"]) echo.tell(text);
    expect(["s", "sum"].map((text) => echo.isOwn(text))).toEqual([true, true]);
    expect(echo.isOwn("s"), "told, but before what came back last").toBe(false);
    echo.tell("x");
    echo.settle();
    expect(echo.isOwn("x")).toBe(false);
  });
});
