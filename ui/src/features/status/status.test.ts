import { describe, expect, it } from "vitest";
import { splitLine } from "../../components/Yaml";
import { dropRule, shareOf } from "./cardinality";
import { changesOf, poolsOf } from "./discoveryView";
import type { Discovered } from "./statusApi";

describe("cardinality", () => {
  it("suggests a rule that drops just these names", () => {
    expect(dropRule(["a_total", "b.c|d"])).toContain('regex: "a_total|b\\\\.c\\\\|d"');
  });
  it("never exceeds the whole", () => {
    expect(shareOf(12, 10)).toBe(1);
    expect(shareOf(1, 0)).toBe(0);
  });
});

describe("discovery", () => {
  it("puts kept and dropped targets of a pool together, and trusts the server's count", () => {
    const all = { active: [{ scrapePool: "a", discoveredLabels: { x: "1" }, labels: { job: "a" } }], dropped: [{ scrapePool: "a", discoveredLabels: { x: "2" } }], droppedCounts: { a: 99 } } as unknown as Discovered;
    expect(poolsOf(all, "")).toMatchObject([{ name: "a", active: 1, dropped: 99 }]);
    expect(poolsOf(all, 'x="2"')[0]?.targets).toEqual([{ discovered: { x: "2" }, labels: null }]);
    expect(poolsOf(all, "nothing")).toEqual([]);
  });
  it("names what a step changed", () => {
    expect(changesOf({ a: "1", b: "2" }, { a: "1", b: "3", c: "4" })).toEqual([
      { name: "b", was: "2", is: "3" },
      { name: "c", was: null, is: "4" },
    ]);
  });
});

describe("YAML", () => {
  it("is split at its keys, and only there", () => {
    expect(splitLine("  - job_name: node")).toEqual(["  - ", "job_name:", " node"]);
    expect(splitLine("    - http://a:9090/x")).toEqual(["    - ", "", "http://a:9090/x"]);
  });
});
