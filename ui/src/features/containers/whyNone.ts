// Why no container is shown: nobody looks, the one who looks is not heard, or there is none.
import type { Target, VectorSample } from "../../api/types";

export type WhyNone =
  | { readonly kind: "unwatched" }
  | { readonly kind: "waiting" }
  | { readonly kind: "down"; readonly url: string; readonly error: string }
  | { readonly kind: "unreadable"; readonly instance: string }
  | { readonly kind: "none"; readonly machines: readonly string[] };

/** Tells of the samples of `container_scrape_error` and of the targets. */
export function whyNone(targets: readonly Target[], scrapeErrors: readonly VectorSample[]): WhyNone {
  const heard = new Set(scrapeErrors.map(({ labels }) => `${labels["job"]} ${labels["instance"]}`));
  const watchers = targets.filter((target) => target.scrapeUrl.includes("/cadvisor") || heard.has(`${target.labels["job"]} ${target.labels["instance"]}`));
  const failed = scrapeErrors.find((sample) => sample.v !== 0);
  if (failed !== undefined) return { kind: "unreadable", instance: failed.labels["instance"] ?? "" };
  const down = watchers.find((target) => target.health === "down");
  if (down !== undefined) return { kind: "down", url: down.scrapeUrl, error: down.lastError };
  if (watchers.length === 0) return { kind: "unwatched" };
  if (watchers.every((target) => target.health === "unknown")) return { kind: "waiting" };
  return { kind: "none", machines: [...new Set(watchers.map((target) => target.labels["instance"] ?? ""))].sort() };
}
