import { describe, expect, it } from "vitest";
import { backtest, filterGroups, loudestFirst, thresholdOf } from "./ruleView";
import type { Rule, RuleGroup } from "./rulesApi";
import type { PlanNode } from "../query/queryApi";

const rule = (name: string, more: Partial<Rule> = {}): Rule => ({ type: "alerting", name, query: "up == 0", labels: {}, annotations: {}, state: "inactive", duration: 0, keepFiringFor: 0, alerts: [], health: "ok", lastError: "", evaluationTime: 0, lastEvaluation: "", ...more });
const group = (rules: Rule[]): RuleGroup => ({ name: "g", file: "a.yml", interval: 60, limit: 0, evaluationTime: 0, lastEvaluation: "", rules });
const frame = (times: number[]) => ({ labels: { __name__: "up", job: "a" }, t: new Float64Array(times), v: new Float64Array(times.length) });

describe("rules", () => {
  it("are filtered by state, health and words, also of their alerts' labels", () => {
    const alerts = [{ labels: { instance: "db-7" }, annotations: {}, state: "firing" as const, activeAt: "", value: "1" }];
    const groups = [group([rule("A", { state: "firing", alerts }), rule("B", { health: "err" })])];
    const names = (text: string, state: Rule["state"] | null = null, health: Rule["health"] | null = null): string[] => filterGroups(groups, { text, state, health }, () => true).flatMap((one) => one.rules.map((each) => each.name));
    expect(names("db-7")).toEqual(["A"]);
    expect(names("", "firing")).toEqual(["A"]);
    expect(names("", null, "err")).toEqual(["B"]);
    expect(names("nothing")).toEqual([]);
  });
  it("that fire come first", () => {
    expect(loudestFirst([rule("a"), rule("b", { state: "pending" }), rule("c", { state: "firing" })]).map((one) => one.name)).toEqual(["c", "b", "a"]);
  });
});

describe("a threshold", () => {
  const node = (id: number, parent: number | null, operator: string, query: string) => ({ id, parent, operator, query }) as PlanNode;
  it("is read out of a comparison with a number", () => {
    expect(thresholdOf([node(0, null, "scalar >", "a > 0.1"), node(1, 0, "selector", "a"), node(2, 0, "constant", "0.1")])).toEqual({ expr: "a", op: ">", value: 0.1 });
    expect(thresholdOf([node(0, null, "join >", "a > b"), node(1, 0, "selector", "a")])).toBeNull();
    expect(thresholdOf([node(0, null, "selector", "a")])).toBeNull();
  });
});

describe("a backtest", () => {
  it("fires after the hold time, and not for less", () => {
    expect(backtest([frame([60, 120])], 60, 120, 0)).toEqual([]);
    expect(backtest([frame([60, 120, 180, 240])], 60, 120, 0)).toEqual([{ name: '{job="a"}', activeS: 60, firedS: 180, endS: 300 }]);
  });
  it("tells two episodes apart, unless firing is kept up", () => {
    expect(backtest([frame([60, 120, 600, 660])], 60, 60, 0)).toHaveLength(2);
    expect(backtest([frame([60, 120, 600, 660])], 60, 60, 600)).toHaveLength(1);
  });
});
