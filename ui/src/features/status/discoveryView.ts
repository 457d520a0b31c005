// Discovered targets by pool, and what relabeling changed.
import type { Labels } from "../../api/types";
import type { Discovered } from "./statusApi";

export interface DiscoveredTarget {
  readonly discovered: Labels;
  /** `null` when relabeling dropped it. */
  readonly labels: Labels | null;
}

export interface DiscoveredPool {
  readonly name: string;
  readonly targets: readonly DiscoveredTarget[];
  readonly active: number;
  /** More than are listed when the server keeps only some. */
  readonly dropped: number;
}

function matches(target: DiscoveredTarget, words: readonly string[]): boolean {
  const pairs = [...Object.entries(target.discovered), ...Object.entries(target.labels ?? {})].map(([name, value]) => `${name}="${value}"`);
  const haystack = pairs.join(" ").toLowerCase();
  return words.every((word) => haystack.includes(word));
}

export function poolsOf(all: Discovered, text: string): DiscoveredPool[] {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const pools = new Map<string, DiscoveredTarget[]>();
  const add = (pool: string, target: DiscoveredTarget): void => {
    const known = pools.get(pool) ?? [];
    known.push(target);
    pools.set(pool, known);
  };
  for (const target of all.active) add(target.scrapePool, { discovered: target.discoveredLabels, labels: target.labels });
  for (const target of all.dropped) add(target.scrapePool, { discovered: target.discoveredLabels, labels: null });
  return [...pools.entries()]
    .map(([name, targets]) => ({
      name,
      active: targets.filter((target) => target.labels !== null).length,
      dropped: all.droppedCounts[name] ?? targets.filter((target) => target.labels === null).length,
      targets: targets.filter((target) => matches(target, words)),
    }))
    .filter((pool) => pool.targets.length > 0)
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

export interface LabelChange {
  readonly name: string;
  readonly was: string | null;
  readonly is: string | null;
}

/** Returns the labels that differ, by name. */
export function changesOf(before: Labels, after: Labels): LabelChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.filter((name) => before[name] !== after[name]).map((name) => ({ name, was: before[name] ?? null, is: after[name] ?? null }));
}
