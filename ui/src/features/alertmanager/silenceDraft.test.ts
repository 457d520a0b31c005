import { describe, expect, it } from "vitest";
import type { Silence } from "./amApi";
import { draftOf, endAfter, faultsOf, newDraft, toSend } from "./silenceDraft";

const NOW = Date.UTC(2026, 10, 21);
const good = { ...newDraft([{ name: "a", op: "=", value: "b" }], "why", "me", NOW) };

describe("a silence's draft", () => {
  it("lacks nothing when everything is there", () => {
    expect(faultsOf(good, NOW)).toEqual([]);
    expect(toSend(good)).toMatchObject({ id: null, startsAt: "2026-11-21T00:00:00.000Z", endsAt: "2026-11-21T02:00:00.000Z" });
  });
  it("names what is missing, and refuses to silence everything", () => {
    expect(faultsOf(newDraft([], "", "", NOW), NOW)).toEqual(["matchers", "creator", "comment"]);
    expect(faultsOf({ ...good, matchers: [{ name: "a", op: "=~", value: ".*" }] }, NOW)).toEqual(["everything"]);
    expect(faultsOf({ ...good, matchers: [{ name: "a", op: "=~", value: "(" }] }, NOW)).toEqual([]);
    expect(faultsOf({ ...good, endMs: good.startMs }, NOW)).toEqual(["times"]);
    expect(faultsOf({ ...good, startMs: 0, endMs: 1 }, NOW)).toEqual(["past"]);
  });
  it("changes what goes on, and makes anew what is over", () => {
    const silence = { id: "1", state: "active", matchers: [], startsAt: "2026-11-20T00:00:00Z", endsAt: "2026-11-20T03:00:00Z", createdBy: "me", comment: "why" } as unknown as Silence;
    expect(draftOf(silence, NOW).id).toBe("1");
    expect(draftOf({ ...silence, state: "expired" }, NOW)).toMatchObject({ id: null, startMs: NOW, endMs: NOW + 3 * 3_600_000 });
  });
  it("reads lengths", () => {
    expect(endAfter(NOW, "1h30m")).toBe(NOW + 5_400_000);
    expect(endAfter(NOW, "soon")).toBeNull();
  });
});
