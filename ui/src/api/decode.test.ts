import { describe, expect, it } from "vitest";
import { ApiError, readReply, readSkew } from "./client";
import { queryResult, targets } from "./types";

const reply = (data: unknown, extra: object = {}): string => JSON.stringify({ status: "success", data, ...extra });

function failure(status: number, body: string): ApiError {
  try {
    readReply(status, body, queryResult);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("was accepted");
}

describe("query results", () => {
  it("decode a matrix into columns, with the special floats", () => {
    const { data } = readReply(200, reply({ resultType: "matrix", result: [{ metric: { a: "b" }, values: [[1.5, "2"], [2, "NaN"], [3, "+Inf"], [4, "-0"]] }] }), queryResult);
    if (data.kind !== "matrix") throw new Error(data.kind);
    expect(data.frames[0]?.labels).toEqual({ a: "b" });
    expect([...(data.frames[0]?.t ?? [])]).toEqual([1.5, 2, 3, 4]);
    expect([...(data.frames[0]?.v ?? [])]).toEqual([2, NaN, Infinity, -0]);
  });
  it("decode vectors, native histograms, scalars and strings", () => {
    const vector = { resultType: "vector", result: [{ metric: {}, value: [1, "3"] }, { metric: {}, histogram: [1, { count: "4", sum: "2.5", buckets: [[0, "1", "2", "4"]] }] }] };
    const { data } = readReply(200, reply(vector), queryResult);
    if (data.kind !== "vector") throw new Error(data.kind);
    expect(data.samples.map((sample) => sample.v)).toEqual([3, NaN]);
    expect(data.samples[1]?.histogram).toEqual({ count: 4, sum: 2.5, buckets: [{ rule: 0, low: 1, high: 2, count: 4 }] });
    expect(readReply(200, reply({ resultType: "scalar", result: [1, "2"] }), queryResult).data).toEqual({ kind: "scalar", t: 1, v: 2 });
    expect(readReply(200, reply({ resultType: "string", result: [1, "x"] }), queryResult).data).toEqual({ kind: "string", t: 1, text: "x" });
  });
  it("keep warnings and infos", () => {
    const { warnings, infos } = readReply(200, reply({ resultType: "vector", result: [] }, { warnings: ["w"], infos: ["i"] }), queryResult);
    expect([warnings, infos]).toEqual([["w"], ["i"]]);
  });
  it("refuse what was not agreed, and say where", () => {
    expect(failure(200, reply({ resultType: "vector", result: [{ metric: {}, value: [1, 2] }] })).message).toBe("data.result[0].value[1]: expected a string, got number 2");
    expect(failure(200, reply({ resultType: "matrix", result: [{ metric: {}, values: [[1, "x"]] }] })).message).toContain("data.result[0].values[0][1]");
    expect(failure(200, reply({ resultType: "cube", result: [] })).kind).toBe("garbled");
    expect(failure(200, reply(null)).kind).toBe("garbled");
  });
});

describe("failures", () => {
  it("tell refusal, start-up, a proxy's word and garbage apart", () => {
    const refused = failure(400, JSON.stringify({ status: "error", errorType: "bad_data", error: "1:2: parse error: no" }));
    expect([refused.kind, refused.errorType, refused.message]).toEqual(["refused", "bad_data", "1:2: parse error: no"]);
    expect(failure(503, "Service Unavailable").kind).toBe("starting");
    expect(failure(502, "<html>").kind).toBe("offline");
    expect(failure(200, "<html>").kind).toBe("garbled");
    expect(failure(500, "").kind).toBe("garbled");
  });
});

describe("the server's clock", () => {
  const noon = Date.parse("2026-11-21T12:00:00Z");
  it("counts only when it differs by more than the header can tell", () => {
    expect(readSkew("Sat, 21 Nov 2026 12:00:01 GMT", noon)).toBe(0);
    expect(readSkew("Sat, 21 Nov 2026 12:05:00 GMT", noon)).toBe(300_500);
    expect(readSkew("Sat, 21 Nov 2026 11:00:00 GMT", noon)).toBe(-3_599_500);
    expect(readSkew(null, noon)).toBe(0);
    expect(readSkew("soon", noon)).toBe(0);
  });
});

describe("targets", () => {
  it("tolerate what older servers leave out and newer ones add", () => {
    const raw = { activeTargets: [{ scrapePool: "p", scrapeUrl: "http://a", labels: { job: "p" }, health: "odd", news: 1 }], droppedTargetCounts: { p: 2, q: 3 } };
    const { data } = readReply(200, reply(raw), targets);
    expect(data.droppedCount).toBe(5);
    expect(data.active[0]).toMatchObject({ health: "unknown", lastError: "", lastScrapeDuration: 0 });
    expect(readReply(200, reply({ activeTargets: null }), targets).data.active).toEqual([]);
  });
});
