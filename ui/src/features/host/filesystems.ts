// Rows of the filesystem table, from the exporter's gauges.
import type { VectorSample } from "../../api/types";
import { type HostScope, REAL_FILESYSTEMS, select } from "./scope";

export interface FilesystemRow {
  readonly mount: string;
  readonly device: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly availableBytes: number;
  /** Share of what unprivileged users can fill, 0–1. */
  readonly usedRatio: number;
  /** `null` where the filesystem has no fixed number of inodes. */
  readonly inodesRatio: number | null;
  readonly readonly: boolean;
  /** Why it cannot be read; empty when it can. */
  readonly error: string;
}

const METRICS = ["size_bytes", "avail_bytes", "free_bytes", "files", "files_free", "readonly", "device_error"] as const;

/** One query for all gauges: seven small ones would cost seven round trips. */
export function filesystemQuery(scope: HostScope): string {
  const names = `__name__=~"node_filesystem_(${METRICS.join("|")})"`;
  return select(scope, "", `${names},${REAL_FILESYSTEMS}`);
}

/** Groups gauges by mount; a device mounted many times (bind mounts, containers) counts once, at its shortest path. */
export function filesystemRows(samples: readonly VectorSample[]): FilesystemRow[] {
  const mounts = new Map<string, { labels: VectorSample["labels"]; values: Map<string, number> }>();
  for (const sample of samples) {
    const { mountpoint = "", device = "", fstype = "" } = sample.labels;
    const key = JSON.stringify([mountpoint, device, fstype]);
    const mount = mounts.get(key) ?? { labels: sample.labels, values: new Map<string, number>() };
    mount.values.set((sample.labels["__name__"] ?? "").replace("node_filesystem_", ""), sample.v);
    mounts.set(key, mount);
  }
  const rows = [...mounts.values()].map(({ labels, values }) => toRow(labels, values)).filter((row) => row.sizeBytes > 0 || row.error !== "");
  rows.sort((a, b) => a.mount.length - b.mount.length || a.mount.localeCompare(b.mount));
  const seen = new Set<string>();
  const distinct = rows.filter((row) => {
    const key = row.device.startsWith("/") ? row.device : `${row.device} ${row.mount}`;
    return seen.has(key) ? false : seen.add(key) !== undefined;
  });
  return distinct.sort((a, b) => b.usedRatio - a.usedRatio);
}

function toRow(labels: VectorSample["labels"], values: ReadonlyMap<string, number>): FilesystemRow {
  const size = values.get("size_bytes") ?? 0;
  const available = values.get("avail_bytes") ?? 0;
  const used = size - (values.get("free_bytes") ?? available);
  const files = values.get("files") ?? 0;
  const broken = values.get("device_error") === 1;
  return {
    mount: labels["mountpoint"] ?? "",
    device: labels["device"] ?? "",
    type: labels["fstype"] ?? "",
    sizeBytes: size,
    availableBytes: available,
    // As df counts: blocks reserved for root are neither used nor available.
    usedRatio: used + available > 0 ? used / (used + available) : 0,
    inodesRatio: files > 0 ? 1 - (values.get("files_free") ?? files) / files : null,
    readonly: values.get("readonly") === 1,
    error: broken ? (labels["device_error"] ?? "?") : "",
  };
}
