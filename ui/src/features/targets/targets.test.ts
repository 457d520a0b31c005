import { describe, expect, it } from "vitest";
import type { Health, Target } from "../../api/types";
import { groupTargets, readFilter, scrapeAge, writeFilter } from "./targetView";

const target = (scrapePool: string, scrapeUrl: string, health: Health, labels: Record<string, string> = {}, lastError = ""): Target => ({
  scrapePool,
  scrapeUrl,
  health,
  labels,
  lastError,
  discoveredLabels: {},
  lastScrape: "2026-11-21T09:00:00.5Z",
  lastScrapeDuration: 0.01,
  scrapeInterval: "5s",
  scrapeTimeout: "5s",
});
const ALL = { text: "", pool: null, health: null };
const some = [target("b", "http://2", "up", { zone: "eu" }), target("a", "http://10", "up"), target("a", "http://9", "up"), target("a", "http://1", "down", {}, "connection refused")];

describe("targets", () => {
  it("are grouped by pool, sick ones first, then by address as people count", () => {
    expect(groupTargets(some, ALL).map((pool) => [pool.name, pool.up, pool.total, pool.targets.map((one) => one.scrapeUrl)])).toEqual([
      ["a", 2, 3, ["http://1", "http://9", "http://10"]],
      ["b", 1, 1, ["http://2"]],
    ]);
  });
  it("are found by address, label and error, all words needed", () => {
    const urls = (text: string): string[] => groupTargets(some, { ...ALL, text }).flatMap((pool) => pool.targets.map((one) => one.scrapeUrl));
    expect(urls('zone="eu"')).toEqual(["http://2"]);
    expect(urls("REFUSED 1")).toEqual(["http://1"]);
    expect(urls("refused eu")).toEqual([]);
  });
  it("keep their filter in the URL", () => {
    const params = new URLSearchParams("refresh=10s");
    const filter = { text: "a b", pool: "p", health: "down" } as const;
    writeFilter(params, filter);
    expect(readFilter(params)).toEqual(filter);
    writeFilter(params, ALL);
    expect(params.toString()).toBe("refresh=10s");
    expect(readFilter(new URLSearchParams("health=odd")).health).toBeNull();
  });
  it("know how old their scrape is, and when there was none", () => {
    expect(scrapeAge(some[0] as Target, Date.parse("2026-11-21T09:00:03.5Z"))).toBe(3);
    expect(scrapeAge({ ...(some[0] as Target), lastScrape: "0001-01-01T00:00:00Z" }, 0)).toBeNull();
  });
});
