import { describe, expect, it } from "vitest";
import { formatNumber, formatSpan, formatTick, formatUnit, type Locale, type Unit } from "./format";

function check(value: number | null, unit: Unit, english: string, korean = english): void {
  const got = (["en", "ko"] as readonly Locale[]).map((locale) => formatUnit(value, unit, locale));
  expect(got, `${value} ${unit}`).toEqual([english, korean]);
}

describe("formatUnit", () => {
  it("writes shares as percent, finer when small", () => {
    check(0, "ratio", "0%");
    check(0.125, "ratio", "12.5%");
    check(0.9999, "ratio", "100%");
    check(0.00012, "ratio", "0.01%");
    check(1.5, "ratio", "150%");
  });
  it("writes bytes with binary prefixes and never 1024 of a unit", () => {
    check(0, "bytes", "0 B");
    check(1023, "bytes", "1,023 B");
    check(1024, "bytes", "1 KiB");
    check(1536, "bytes", "1.5 KiB");
    check(1024 ** 2 - 1, "bytes", "1 MiB");
    check(25.2e9, "bytes", "23.5 GiB");
    check(-2048, "bytes", "-2 KiB");
    check(3 * 1024 ** 2, "bytes/s", "3 MiB/s");
  });
  it("writes bit rates with decimal prefixes", () => {
    check(999, "bits/s", "999 b/s");
    check(25e6, "bits/s", "25 Mb/s");
    check(9.95e9, "bits/s", "9.95 Gb/s");
  });
  it("shortens large numbers as each language counts", () => {
    check(9999, "short", "9,999");
    check(12_345, "short", "12.3K", "1.23만");
    check(250_000_000, "short", "250M", "2.5억");
    check(67.94, "per_s", "67.9/s");
    check(12_345, "per_s", "12.3K/s", "1.23만/s");
  });
  it("writes seconds in the unit that fits", () => {
    check(0, "seconds", "0 s", "0초");
    check(0.000_000_5, "seconds", "500 ns");
    check(0.000_694, "seconds", "694 µs");
    check(0.0101, "seconds", "10.1 ms");
    check(2.5, "seconds", "2.5 s", "2.5초");
    check(3_723, "seconds", "1 h 2 min", "1시간 2분");
  });
  it("says so when there is no number", () => {
    check(null, "bytes", "–");
    check(NaN, "bytes", "NaN");
    check(Infinity, "ratio", "+Inf");
    check(-Infinity, "short", "−Inf");
  });
});

describe("formatSpan", () => {
  it("joins at most two neighbouring units", () => {
    expect(formatSpan(3 * 86_400 + 4 * 3_600 + 59, "en")).toBe("3 d 4 h");
    expect(formatSpan(3 * 86_400 + 4 * 3_600 + 59, "ko")).toBe("3일 4시간");
    expect(formatSpan(86_400 + 12, "en")).toBe("1 d");
    expect(formatSpan(0, "ko")).toBe("0초");
    expect(formatSpan(59.6, "en")).toBe("1 min");
  });
});

describe("formatTick", () => {
  it("gives all labels of an axis the decimals its step needs", () => {
    expect([0, 0.25, 1].map((tick) => formatTick(tick, 0.25, "ratio", "en"))).toEqual(["0%", "25%", "100%"]);
    expect([0, 0.025].map((tick) => formatTick(tick, 0.025, "ratio", "en"))).toEqual(["0.0%", "2.5%"]);
    expect([0, 0.5, 1].map((tick) => formatTick(tick, 0.5, "none", "ko"))).toEqual(["0.0", "0.5", "1.0"]);
  });
});

describe("formatNumber", () => {
  it("leaves about three digits", () => {
    expect([1234.5, 123.45, 12.345, 1.2345, 0.012345].map((value) => formatNumber(value, "en"))).toEqual(["1,235", "123", "12.3", "1.23", "0.0123"]);
  });
});
