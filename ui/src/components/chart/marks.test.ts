import { describe, expect, it } from "vitest";
import { findTurns, isCounterName } from "./marks";

describe("marks", () => {
  it("show where a series ends, but not that the newest point is missing", () => {
    expect(findTurns([1, 2, null, null, 3, 4, null], false)).toEqual([{ kind: "end", index: 1 }]);
  });
  it("show resets of counters only", () => {
    expect(findTurns([5, 6, 1, 2], true)).toEqual([{ kind: "reset", index: 2 }]);
    expect(findTurns([5, 6, 1, 2], false)).toEqual([]);
    expect(isCounterName("http_requests_total")).toBe(true);
    expect(isCounterName("temperature_celsius")).toBe(false);
  });
});
