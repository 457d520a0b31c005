// Which targets to show, and in which order.
import type { Health, Target } from "../../api/types";

export interface TargetFilter {
  readonly text: string;
  readonly pool: string | null;
  readonly health: Health | null;
}

export interface Pool {
  readonly name: string;
  readonly targets: readonly Target[];
  readonly up: number;
  /** Targets of the pool before filtering. */
  readonly total: number;
}

const HEALTH: readonly Health[] = ["down", "unknown", "up"];

export function readFilter(params: URLSearchParams): TargetFilter {
  const health = params.get("health");
  return { text: params.get("q") ?? "", pool: params.get("pool"), health: HEALTH.find((known) => known === health) ?? null };
}

export function writeFilter(params: URLSearchParams, filter: TargetFilter): void {
  for (const [name, value] of [["q", filter.text], ["pool", filter.pool], ["health", filter.health]] as const) {
    if (value === null || value === "") params.delete(name);
    else params.set(name, value);
  }
}

/** Whether every word of the text occurs in the target's address, labels or error. */
function matchesText(target: Target, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return true;
  const labels = Object.entries(target.labels).map(([name, value]) => `${name}="${value}"`);
  const haystack = [target.scrapeUrl, target.lastError, ...labels].join(" ").toLowerCase();
  return words.every((word) => haystack.includes(word));
}

/** Groups targets by pool, sick ones first within it; pools that the filter empties are left out. */
export function groupTargets(targets: readonly Target[], filter: TargetFilter): Pool[] {
  const pools = new Map<string, Target[]>();
  for (const target of targets) {
    const pool = pools.get(target.scrapePool) ?? [];
    pool.push(target);
    pools.set(target.scrapePool, pool);
  }
  return [...pools.entries()]
    .filter(([name]) => filter.pool === null || filter.pool === name)
    .map(([name, all]) => ({
      name,
      total: all.length,
      up: all.filter((target) => target.health === "up").length,
      targets: all
        .filter((target) => (filter.health === null || target.health === filter.health) && matchesText(target, filter.text))
        .sort((a, b) => HEALTH.indexOf(a.health) - HEALTH.indexOf(b.health) || a.scrapeUrl.localeCompare(b.scrapeUrl, "en", { numeric: true })),
    }))
    .filter((pool) => pool.targets.length > 0)
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** Returns seconds since the last scrape, or `null` when there was none (the server then says year 1). */
export function scrapeAge(target: Target, nowMs: number): number | null {
  const ms = Date.parse(target.lastScrape);
  if (Number.isNaN(ms) || ms <= 0) return null;
  return Math.max(0, (nowMs - ms) / 1000);
}
