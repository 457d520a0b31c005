// Which machine, and how its series are selected.
import type { VectorSample } from "../../api/types";
import type { Grid } from "../../lib/timeRange";
import { rateWindow } from "../../lib/timeRange";

export interface HostIdentity {
  readonly instance: string;
  readonly job: string;
  readonly nodename: string;
  readonly system: string;
  readonly release: string;
  readonly machine: string;
}

/** Reads the hosts out of `node_uname_info`, ordered by name, one an instance. */
export function readHosts(samples: readonly VectorSample[]): HostIdentity[] {
  const hosts = new Map<string, HostIdentity>();
  for (const { labels } of samples) {
    const instance = labels["instance"] ?? "";
    hosts.set(instance, {
      instance,
      job: labels["job"] ?? "",
      nodename: labels["nodename"] ?? instance,
      system: labels["sysname"] ?? "",
      release: labels["release"] ?? "",
      machine: labels["machine"] ?? "",
    });
  }
  return [...hosts.values()].sort((a, b) => a.nodename.localeCompare(b.nodename) || a.instance.localeCompare(b.instance));
}

/** Writes a PromQL string literal. */
export function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`;
}

/** What a query of the host page depends on. */
export interface HostScope {
  readonly host: HostIdentity;
  readonly grid: Grid;
  /** Window for `rate`, a Prometheus duration. */
  readonly window: string;
}

export function scopeOf(host: HostIdentity, grid: Grid, scrapeIntervalS: number): HostScope {
  return { host, grid, window: rateWindow(grid.stepS, scrapeIntervalS) };
}

/** Returns `name{instance="…",job="…", extra}`. */
export function select(scope: HostScope, name: string, extra = ""): string {
  const { instance, job } = scope.host;
  return `${name}{instance=${quote(instance)},job=${quote(job)}${extra === "" ? "" : `,${extra}`}}`;
}

/** Returns the per-second rate of a counter of this host. */
export function rate(scope: HostScope, name: string, extra = ""): string {
  return `rate(${select(scope, name, extra)}[${scope.window}])`;
}

// Devices that repeat what another one already counts, or that carry no real traffic.
export const REAL_DISKS = 'device!~"loop.*|ram.*|zram.*|fd.*|sr.*|dm-.*|md.*"';
export const REAL_NETS = 'device!~"lo|veth.*|docker.*|br-.*|virbr.*|cni.*|cali.*|flannel.*|vxlan.*|tap.*|ifb.*|dummy.*|lxc.*|cilium.*|kube-.*|nodelocaldns"';
// Pseudo filesystems and images that are full by nature.
export const REAL_FILESYSTEMS =
  'fstype!~"autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fuse.lxcfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|proc|procfs|pstore|ramfs|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tmpfs|tracefs"';
