import { describe, expect, it } from "vitest";
import { type WhyAlert, whyAlert, type WhyEvent } from "./whyApi";
import { byDay, kindOf, loudest } from "./whyView";
import { fromHash } from "../../app/hashLinks";
import type { AlertGroup, GettableAlert } from "./amApi";
import { filterText, fromWire, parseMatchers, toWire } from "./matchers";
import { readNotices, regroup, writeNotices } from "./noticesUrl";

describe("matchers", () => {
  it("come back as they went, whatever their values", () => {
    const matchers = [
      { name: "a", op: "=", value: 'x"y,z}\\\n' },
      { name: "b.c", op: "!~", value: "d|e" },
    ] as const;
    expect(parseMatchers(filterText(matchers))).toEqual(matchers);
    expect(matchers.map((one) => fromWire(toWire(one)))).toEqual(matchers);
  });
  it("are read without braces and quotes too, and nonsense is refused", () => {
    expect(parseMatchers("severity=page, job =~ no.*")).toEqual([{ name: "severity", op: "=", value: "page" }, { name: "job", op: "=~", value: "no.*" }]);
    expect(parseMatchers("")).toEqual([]);
    expect(parseMatchers("severity")).toBeNull();
    expect(parseMatchers('a="b')).toBeNull();
  });
});

describe("links made for the original", () => {
  it("open the page they mean", () => {
    expect(fromHash('#/alerts?filter={a="b"}&silenced=true')).toBe(`/?${new URLSearchParams({ filter: '{a="b"}', silenced: "true" }).toString()}`);
    expect(fromHash("#/silences/new?comment=x")).toBe("/silence-form?comment=x");
    expect(fromHash("#/silences/1-2/edit")).toBe("/silence-form?id=1-2");
    expect(fromHash("#/silences/1-2")).toBe("/silence?id=1-2");
    expect(fromHash("#main")).toBeNull();
  });
  it("carry the state of the alert page", () => {
    const state = readNotices(new URLSearchParams('filter={a="b"}&receiver=ops&group=x,y&customGrouping=true&silenced=true'));
    expect(state).toMatchObject({ receiver: "ops", silenced: true, muted: false, active: true, groupBy: ["x", "y"] });
    const params = new URLSearchParams();
    writeNotices(params, state);
    expect(readNotices(params)).toEqual(state);
  });
});

describe("grouping by other labels", () => {
  it("has each alert once", () => {
    const alert = (fingerprint: string, job: string) => ({ fingerprint, labels: { job } }) as unknown as GettableAlert;
    const groups: AlertGroup[] = [{ labels: {}, receiver: "a", alerts: [alert("1", "x"), alert("2", "y")] }, { labels: {}, receiver: "b", alerts: [alert("1", "x")] }];
    expect(regroup(groups, ["job"]).map((one) => [one.labels, one.alerts.length])).toEqual([[{ job: "x" }, 1], [{ job: "y" }, 1]]);
    expect(regroup(groups, [])[0]?.alerts).toHaveLength(2);
  });
});

describe("why", () => {
  const event = (at: string, outcome: string): WhyEvent => ({ at, route: "{}", receiver: "r", integration: "", status: "", outcome, why: "" });
  it("reads what an Alertmanager without history or routes says", () => {
    expect(whyAlert({ fingerprint: "f", labels: { a: "b" }, now: { state: "resolved", silencedBy: null, inhibitedBy: null } }, "x")).toEqual({ fingerprint: "f", labels: { a: "b" }, state: "resolved", silencedBy: [], inhibitedBy: null, routes: [], history: [] });
  });
  it("splits history into days, newest first, and tells what was told from what was held back", () => {
    const events = [event("2026-11-21T10:00:00Z", "sent"), event("2026-11-21T09:00:00Z", "failed"), event("2026-11-20T09:00:00Z", "silenced")];
    expect(byDay(events, (ms) => new Date(ms).toISOString().slice(0, 10)).map((day) => [day.name, day.events.map((one) => kindOf(one.outcome))])).toEqual([
      ["2026-11-21", ["sent", "failed"]],
      ["2026-11-20", ["quiet"]],
    ]);
  });
  it("shows alerts that fire before those that are over", () => {
    const of = (state: string): WhyAlert => ({ fingerprint: state, labels: {}, state, silencedBy: [], inhibitedBy: null, routes: [], history: [] });
    expect(loudest(["resolved", "suppressed", "active"].map(of)).map((one) => one.state)).toEqual(["active", "suppressed", "resolved"]);
  });
});
