// Loading for the pages of hosts and containers: the newest values, and how often targets are scraped.
import { api } from "../../api/client";
import type { VectorSample } from "../../api/types";
import { parseDuration } from "../../lib/duration";

/** Asks for the values at an instant (seconds), or the newest. */
export async function fetchVector(query: string, stop: AbortSignal, timeS: number | null = null): Promise<readonly VectorSample[]> {
  const { data } = await api.query(query, timeS, stop);
  return data.kind === "vector" ? data.samples : [];
}

/** Loads the scrape interval (seconds) of each `job instance`: it decides steps and rate windows. */
export async function fetchIntervals(stop: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const { data } = await api.targets(stop);
  return new Map(data.active.map((target) => [`${target.labels["job"] ?? ""} ${target.labels["instance"] ?? ""}`, (parseDuration(target.scrapeInterval) ?? 15_000) / 1000]));
}
