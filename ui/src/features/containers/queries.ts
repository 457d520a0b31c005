// What the containers page asks about all containers.
import { quote } from "../host/scope";

/** Gauges that describe a container; one query for all of them. */
const GAUGES = ["memory_working_set_bytes", "spec_memory_limit_bytes", "spec_cpu_quota", "spec_cpu_period", "start_time_seconds"] as const;

/** The questions about all containers; each answer has one sample a control group. */
export interface ListQueries {
  readonly gauges: string;
  readonly cpu: string;
  readonly received: string;
  readonly sent: string;
  readonly read: string;
  readonly written: string;
  readonly throttled: string;
  readonly oomKills: string;
  readonly lives: string;
  /** CPUs and memory of the machines. */
  readonly machines: string;
}

/** `instance` narrows to one machine; `window` is for rates, `rangeS` for what happened in the range shown. */
export function listQueries(instance: string | null, window: string, rangeS: number): ListQueries {
  const machine = instance === null ? "" : `,instance=${quote(instance)}`;
  const select = (name: string): string => `container_${name}{id!="/"${machine}}`;
  const rate = (name: string, label: string): string => `sum without (${label}) (rate(${select(name)}[${window}]))`;
  const range = `${Math.max(60, Math.ceil(rangeS))}s`;
  return {
    gauges: `{__name__=~"container_(${GAUGES.join("|")})",id!="/"${machine}}`,
    cpu: rate("cpu_usage_seconds_total", "cpu"),
    received: rate("network_receive_bytes_total", "interface"),
    sent: rate("network_transmit_bytes_total", "interface"),
    read: rate("fs_reads_bytes_total", "device"),
    written: rate("fs_writes_bytes_total", "device"),
    throttled: `rate(${select("cpu_cfs_throttled_periods_total")}[${window}]) / (rate(${select("cpu_cfs_periods_total")}[${window}]) > 0)`,
    oomKills: `round(increase(${select("oom_events_total")}[${range}])) > 0`,
    // A start is a new group, or a new time of start of the same one.
    lives: `changes(${select("start_time_seconds")}[${range}]) + 1`,
    machines: `{__name__=~"machine_(cpu_cores|memory_bytes)"${machine}}`,
  };
}

/** Which group of which machine; empty labels are not asked for. */
export interface GroupName {
  readonly instance: string;
  readonly job: string;
  readonly id: string;
}

/** Returns the selector of one metric of one group. */
export function select({ instance, job, id }: GroupName, name: string): string {
  return `container_${name}{id=${quote(id)},instance=${quote(instance)},job=${quote(job)}}`;
}

/** Returns an alternation that matches exactly these texts. */
export function anyOf(texts: readonly string[]): string {
  return quote([...new Set(texts)].map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|"));
}

/** The busiest containers over time: CPU or memory of those with these ids. */
export function topQuery(what: "cpu" | "memory", ids: readonly string[], window: string): string {
  const matcher = `id=~${anyOf(ids)}`;
  return what === "cpu" ? `sum without (cpu) (rate(container_cpu_usage_seconds_total{${matcher}}[${window}]))` : `container_memory_working_set_bytes{${matcher}}`;
}
