import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "./duration";

describe("durations", () => {
  it("reads what Prometheus reads", () => {
    expect(parseDuration("1h30m")).toBe(5_400_000);
    expect(parseDuration(" 15s ")).toBe(15_000);
    expect(parseDuration("1y2w3d4h5m6s7ms")).toBe(31_536_000_000 + 1_209_600_000 + 259_200_000 + 14_706_007);
    for (const bad of ["", "15", "1m1h", "-5m", "1.5h", "abc", "s"]) expect(parseDuration(bad), bad).toBeNull();
  });
  it("writes what it reads back", () => {
    for (const ms of [1, 999, 15_000, 5_400_000, 86_400_000, 604_800_000, 7_776_000_000, 31_536_000_000]) {
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }
    expect(formatDuration(90 * 86_400_000)).toBe("90d");
    expect(formatDuration(0)).toBe("0s");
  });
});
