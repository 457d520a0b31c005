// Containers out of the samples of control groups: which there are, what they use, in which order.
import type { Labels, VectorSample } from "../../api/types";
import type { ListQueries } from "./queries";

export interface Container {
  /** Tells it apart from every other one. */
  readonly key: string;
  readonly instance: string;
  readonly job: string;
  /** Path of its control group. */
  readonly id: string;
  /** What people call it. */
  readonly name: string;
  readonly pod: string;
  readonly namespace: string;
  readonly image: string;
  /** CPUs in use. */
  readonly cpu: number | null;
  /** CPUs it may use; `null` without a limit. */
  readonly cpuLimit: number | null;
  /** Share of periods in which it was held back. */
  readonly throttled: number | null;
  /** Bytes that cannot be dropped at once. */
  readonly memory: number | null;
  readonly memoryLimit: number | null;
  /** The group that owns its network: itself, or its pod. */
  readonly networkId: string;
  /** Bytes a second. */
  readonly received: number | null;
  readonly sent: number | null;
  readonly read: number | null;
  readonly written: number | null;
  /** Seconds since the epoch. */
  readonly startedS: number | null;
  /** In the range shown. */
  readonly oomKills: number;
  readonly restarts: number;
}

export type Answers = { readonly [K in keyof ListQueries]: readonly VectorSample[] };

const keyOf = (labels: Labels): string => JSON.stringify([labels["instance"] ?? "", labels["job"] ?? "", labels["id"] ?? ""]);
const podOf = (labels: Labels): string => JSON.stringify([labels["instance"] ?? "", labels["namespace"] ?? "", labels["pod"] ?? ""]);

/** Whether a group is a container: it has a container's name, or its path ends in a container's id. Sandboxes are none. */
export function isContainer(labels: Labels): boolean {
  const container = labels["container"] ?? "";
  if (container !== "") return container !== "POD";
  // A group of a pod without a container's name is the pod itself, or its sandbox.
  if ((labels["pod"] ?? "") !== "") return false;
  return (labels["name"] ?? "") !== "" || /[0-9a-f]{64}(?:\.scope)?$/.test(labels["id"] ?? "");
}

/** What a restart leaves as it was: the place in a pod, a name that somebody chose, or the group itself. */
function identityOf(labels: Labels): string {
  if ((labels["pod"] ?? "") !== "") return `${podOf(labels)} ${labels["container"] ?? ""}`;
  const name = labels["name"] ?? "";
  return name === "" ? keyOf(labels) : JSON.stringify([labels["instance"] ?? "", name]);
}

function shownName(labels: Labels): string {
  const id = (labels["id"] ?? "").split("/").at(-1) ?? "";
  const hash = /([0-9a-f]{12})[0-9a-f]{52}/.exec(id)?.[1];
  return [labels["container"], labels["name"], hash, id].find((text) => text !== undefined && text !== "") ?? "?";
}

type Values = ReadonlyMap<string, number>;
const byGroup = (samples: readonly VectorSample[]): Values => new Map(samples.map((sample) => [keyOf(sample.labels), sample.v]));

/** Sums over the groups that are one to `key`. */
function sumBy(samples: readonly VectorSample[], key: (labels: Labels) => string): Values {
  const sums = new Map<string, number>();
  for (const { labels, v } of samples) sums.set(key(labels), (sums.get(key(labels)) ?? 0) + v);
  return sums;
}

/** Which group owns the network of each pod. */
function podNetworks(samples: readonly VectorSample[]): ReadonlyMap<string, Labels> {
  return new Map(samples.filter(({ labels }) => (labels["pod"] ?? "") !== "").map(({ labels }) => [podOf(labels), labels]));
}

/** Returns the containers that the answers tell of. */
export function readContainers(answers: Answers): Container[] {
  const gauges = new Map<string, Map<string, number>>();
  const labelsOf = new Map<string, Labels>();
  const jobsWithStart = new Set<string>();
  for (const { labels, v } of answers.gauges) {
    if (!isContainer(labels)) continue;
    const key = keyOf(labels);
    const name = (labels["__name__"] ?? "").replace("container_", "");
    const own = gauges.get(key) ?? new Map<string, number>();
    own.set(name, v);
    gauges.set(key, own);
    labelsOf.set(key, labels);
    if (name === "start_time_seconds") jobsWithStart.add(`${labels["job"]} ${labels["instance"]}`);
  }
  const [cpu, received, sent, read, written, throttled, oomKills] = [answers.cpu, answers.received, answers.sent, answers.read, answers.written, answers.throttled, answers.oomKills].map(byGroup) as [Values, Values, Values, Values, Values, Values, Values];
  const lives = sumBy(answers.lives.filter(({ labels }) => isContainer(labels)), identityOf);
  const networks = podNetworks(answers.received);
  const containers: Container[] = [];
  for (const [key, labels] of labelsOf) {
    const own = gauges.get(key) ?? new Map<string, number>();
    // Samples with a time of their own outlive their container; the time of its start has none, and ends with it.
    const isGone = !own.has("start_time_seconds") && jobsWithStart.has(`${labels["job"]} ${labels["instance"]}`);
    if (isGone) continue;
    const network = received.has(key) ? labels : (networks.get(podOf(labels)) ?? labels);
    const above = (value: number | undefined): number | null => (value !== undefined && value > 0 ? value : null);
    const quota = above(own.get("spec_cpu_quota"));
    containers.push({
      key,
      instance: labels["instance"] ?? "",
      job: labels["job"] ?? "",
      id: labels["id"] ?? "",
      name: shownName(labels),
      pod: labels["pod"] ?? "",
      namespace: labels["namespace"] ?? "",
      image: labels["image"] ?? "",
      cpu: cpu.get(key) ?? null,
      cpuLimit: quota === null ? null : quota / (own.get("spec_cpu_period") ?? 100_000),
      throttled: above(throttled.get(key)),
      memory: own.get("memory_working_set_bytes") ?? null,
      memoryLimit: above(own.get("spec_memory_limit_bytes")),
      networkId: network["id"] ?? "",
      received: received.get(keyOf(network)) ?? null,
      sent: sent.get(keyOf(network)) ?? null,
      read: read.get(key) ?? null,
      written: written.get(key) ?? null,
      startedS: above(own.get("start_time_seconds")),
      oomKills: oomKills.get(key) ?? 0,
      restarts: Math.max(0, Math.round((lives.get(identityOf(labels)) ?? 1) - 1)),
    });
  }
  return containers;
}

export const SORTS = ["name", "cpu", "memory", "network", "disk", "started", "events"] as const;
export type Sort = (typeof SORTS)[number];
export const GROUPINGS = ["none", "pod", "namespace", "image", "instance"] as const;
export type Grouping = (typeof GROUPINGS)[number];

function sortValue(container: Container, sort: Exclude<Sort, "name">): number {
  switch (sort) {
    case "cpu":
      return container.cpu ?? -1;
    case "memory":
      return container.memory ?? -1;
    case "network":
      return (container.received ?? -1) + (container.sent ?? -1);
    case "disk":
      return (container.read ?? -1) + (container.written ?? -1);
    case "started":
      return container.startedS ?? -1;
    case "events":
      return container.oomKills * 1000 + container.restarts;
  }
}

const byName = (a: Container, b: Container): number => a.name.localeCompare(b.name, "en", { numeric: true }) || a.pod.localeCompare(b.pod, "en", { numeric: true }) || (a.key < b.key ? -1 : 1);

/** Returns the containers in order: names from A, everything else largest first, unless `reversed`. */
export function sortContainers(containers: readonly Container[], sort: Sort, reversed: boolean): Container[] {
  const sorted = containers.toSorted((a, b) => (sort === "name" ? 0 : sortValue(b, sort) - sortValue(a, sort)) || byName(a, b));
  return reversed ? sorted.reverse() : sorted;
}

/** Returns those in which every word of the text occurs. */
export function filterContainers(containers: readonly Container[], text: string): Container[] {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return containers.filter((one) => {
    const haystack = [one.name, one.pod, one.namespace, one.image, one.instance, one.id].join(" ").toLowerCase();
    return words.every((word) => haystack.includes(word));
  });
}

export interface Totals {
  readonly cpu: number;
  readonly memory: number;
  readonly received: number;
  readonly sent: number;
  readonly oomKills: number;
  readonly restarts: number;
}

/** Sums the use; the network of a pod counts once. */
export function totalsOf(containers: readonly Container[]): Totals {
  const totals = { cpu: 0, memory: 0, received: 0, sent: 0, oomKills: 0, restarts: 0 };
  const seen = new Set<string>();
  for (const one of containers) {
    totals.cpu += one.cpu ?? 0;
    totals.memory += one.memory ?? 0;
    totals.oomKills += one.oomKills;
    totals.restarts += one.restarts;
    const network = JSON.stringify([one.instance, one.networkId]);
    if (seen.has(network)) continue;
    seen.add(network);
    totals.received += one.received ?? 0;
    totals.sent += one.sent ?? 0;
  }
  return totals;
}

export interface ContainerGroup {
  /** Empty where the label is. */
  readonly name: string;
  readonly containers: readonly Container[];
  readonly totals: Totals;
}

/** Groups containers, keeping their order; the group of the first container comes first, the nameless one last. */
export function groupContainers(containers: readonly Container[], by: Grouping): ContainerGroup[] {
  const nameOf = (one: Container): string => {
    if (by === "none") return "";
    if (by === "pod") return one.pod === "" ? "" : `${one.namespace}/${one.pod}`;
    return one[by];
  };
  const groups = new Map<string, Container[]>();
  for (const one of containers) {
    const group = groups.get(nameOf(one)) ?? [];
    group.push(one);
    groups.set(nameOf(one), group);
  }
  return [...groups.entries()].sort(([a], [b]) => Number(a === "") - Number(b === "")).map(([name, all]) => ({ name, containers: all, totals: totalsOf(all) }));
}
