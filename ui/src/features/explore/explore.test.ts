import { describe, expect, it } from "vitest";
import { buildFamilies, findFamilies, readSearch } from "./families";
import { byValue, selector, suggestions } from "./suggest";

const meta = (type: string, help = "") => [{ type, help, unit: "" }];

describe("metric families", () => {
  const names = ["lat_bucket", "lat_count", "lat_sum", "up", "jobs_total", "events_total", "size_count"];
  const families = buildFamilies(names, { lat: meta("histogram", "How long."), up: meta("gauge", "Whether it answers"), events: meta("counter", "Events") }, new Map([["lat_bucket", 9], ["lat_sum", 1], ["up", 3]]));
  it("gather the parts of a histogram, and only of what is one", () => {
    expect(families.map((one) => one.name)).toEqual(["events_total", "jobs_total", "lat", "size_count", "up"]);
    expect(families.find((one) => one.name === "lat")).toMatchObject({ type: "histogram", series: 10, native: false });
  });
  it("guess the type where none is declared, and find OpenMetrics counters", () => {
    expect(families.find((one) => one.name === "jobs_total")?.type).toBe("counter");
    expect(families.find((one) => one.name === "events_total")?.help).toBe("Events");
  });
  it("are found by name and help text, names first", () => {
    expect(findFamilies(families, ["answers"]).map((one) => one.name)).toEqual(["up"]);
    expect(findFamilies(families, ["how", "lat"]).map((one) => one.name)).toEqual(["lat"]);
  });
});

describe("the search box", () => {
  it("tells words from labels", () => {
    expect(readSearch('cpu job=node mode=~"user|sys tem" x=')).toEqual({ words: ["cpu"], matchers: ['job="node"', 'mode=~"user|sys tem"'] });
  });
});

describe("suggested queries", () => {
  const family = { name: "lat", type: "histogram", help: "", unit: "", series: 1, native: false };
  it("fit the type", () => {
    expect(suggestions(family, [])[0]?.expr).toBe("histogram_quantile(0.95, sum by (le, job) (rate(lat_bucket[5m])))");
    expect(suggestions({ ...family, native: true }, [])[0]?.expr).toContain("rate(lat[5m])");
    expect(suggestions({ ...family, type: "counter" }, ['a="b"'])[0]?.expr).toBe('rate(lat{a="b"}[5m])');
    expect(suggestions({ ...family, type: "gauge" }, [])[0]?.expr).toBe("lat");
  });
  it("quote names that need it", () => {
    expect(selector("http.requests", ['a="b"'])).toBe('{"http.requests",a="b"}');
  });
});

describe("values of a label", () => {
  it("are ordered by size, the last bucket last, texts after numbers", () => {
    expect(["b", "+Inf", "10", "0.5", "a", "2"].sort(byValue)).toEqual(["0.5", "2", "10", "+Inf", "a", "b"]);
  });
});
