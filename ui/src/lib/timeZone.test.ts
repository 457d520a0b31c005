import { afterEach, describe, expect, it } from "vitest";
import { formatAxisTime, formatInstant, fromInputValue, setZone, toInputValue } from "./time";

describe("the zone of instants", () => {
  afterEach(() => setZone("local"));
  it("is UTC when chosen: texts, inputs and midnights", () => {
    setZone("utc");
    const midnight = Date.UTC(2026, 10, 21);
    expect(toInputValue(midnight)).toBe("2026-11-21T00:00:00");
    expect(fromInputValue("2026-11-21T00:00:00")).toBe(midnight);
    expect(formatInstant(midnight, "en")).toContain("00:00:00");
    expect(formatAxisTime(midnight / 1000, 60, "en")).toBe("21 Nov");
  });
  it("comes back as it went in the browser's zone", () => {
    const now = Date.UTC(2026, 6, 1, 12, 34, 56);
    expect(fromInputValue(toInputValue(now))).toBe(now);
  });
});
