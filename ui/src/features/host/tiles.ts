// The tiles of the host page: one number each for utilisation, saturation and errors.
import type { Labels } from "../../api/types";
import type { PlainKey } from "../../i18n";
import type { Unit } from "../../lib/format";
import { type HostScope, rate, REAL_DISKS, REAL_FILESYSTEMS, REAL_NETS, select } from "./scope";

export type TileGroup = "utilisation" | "saturation" | "errors";
export type TileStatus = "ok" | "warn" | "bad" | "none";

/** Where a value starts to deserve a look, and where it needs a hand; `null` says that no value is bad in itself. */
export interface Limits {
  readonly warn: number;
  readonly bad: number;
}

export interface TileSpec {
  readonly id: string;
  readonly group: TileGroup;
  readonly title: PlainKey;
  readonly unit: Unit;
  readonly expr: (scope: HostScope) => string;
  readonly limits: Limits | null;
  /** The least height of the sparkline's scale. */
  readonly floor: number;
  /** What stands under the number. */
  readonly note: (labels: Labels, facts: HostFacts) => NoteText;
}

export type NoteText =
  | { readonly key: "tile.cpu.note" | "tile.network.note" | "tile.pressure.note" | "tile.netErrors.note" | "tile.oom.note" | "tile.fsErrors.note" }
  | { readonly key: "tile.memory.note"; readonly used: number; readonly total: number }
  | { readonly key: "tile.space.note"; readonly mount: string }
  | { readonly key: "tile.io.note"; readonly device: string }
  | { readonly key: "tile.load.note"; readonly load: number };

/** What the header and some notes know of a host; `null` until heard. */
export interface HostFacts {
  readonly cpus: number | null;
  readonly memoryTotal: number | null;
  readonly memoryAvailable: number | null;
  readonly load1: number | null;
  readonly bootTimeS: number | null;
}

/** Returns the state of a value against its limits. */
export function statusOf(value: number | null, limits: Limits | null): TileStatus {
  if (value === null || Number.isNaN(value)) return "none";
  if (limits === null || value < limits.warn) return "ok";
  return value < limits.bad ? "warn" : "bad";
}

const pressure = (id: string, title: PlainKey, metric: string): TileSpec => ({
  id,
  group: "saturation",
  title,
  unit: "ratio",
  expr: (scope) => rate(scope, metric),
  limits: { warn: 0.2, bad: 0.5 },
  floor: 0.1,
  note: () => ({ key: "tile.pressure.note" }),
});

export const TILES: readonly TileSpec[] = [
  {
    id: "cpu",
    group: "utilisation",
    title: "tile.cpu",
    unit: "ratio",
    expr: (scope) => `1 - avg(${rate(scope, "node_cpu_seconds_total", 'mode="idle"')})`,
    limits: { warn: 0.8, bad: 0.95 },
    floor: 1,
    note: () => ({ key: "tile.cpu.note" }),
  },
  {
    id: "memory",
    group: "utilisation",
    title: "tile.memory",
    unit: "ratio",
    expr: (scope) => `1 - ${select(scope, "node_memory_MemAvailable_bytes")} / ${select(scope, "node_memory_MemTotal_bytes")}`,
    limits: { warn: 0.85, bad: 0.95 },
    floor: 1,
    note: (_labels, facts) => ({ key: "tile.memory.note", used: (facts.memoryTotal ?? NaN) - (facts.memoryAvailable ?? NaN), total: facts.memoryTotal ?? NaN }),
  },
  {
    id: "space",
    group: "utilisation",
    title: "tile.space",
    unit: "ratio",
    // As df counts: blocks reserved for root are neither used nor available.
    expr: (scope) => {
      const of = (field: string): string => select(scope, `node_filesystem_${field}_bytes`, REAL_FILESYSTEMS);
      const used = `${of("size")} - ${of("free")}`;
      return `topk(1, (${used}) / ((${used} + ${of("avail")}) > 0))`;
    },
    limits: { warn: 0.85, bad: 0.95 },
    floor: 1,
    note: (labels) => ({ key: "tile.space.note", mount: labels["mountpoint"] ?? "–" }),
  },
  {
    id: "io",
    group: "utilisation",
    title: "tile.io",
    unit: "ratio",
    expr: (scope) => `topk(1, ${rate(scope, "node_disk_io_time_seconds_total", REAL_DISKS)})`,
    limits: { warn: 0.8, bad: 0.95 },
    floor: 1,
    note: (labels) => ({ key: "tile.io.note", device: labels["device"] ?? "–" }),
  },
  {
    id: "network",
    group: "utilisation",
    title: "tile.network",
    unit: "bits/s",
    expr: (scope) =>
      `8 * (sum(${rate(scope, "node_network_receive_bytes_total", REAL_NETS)}) + sum(${rate(scope, "node_network_transmit_bytes_total", REAL_NETS)}))`,
    limits: null,
    floor: 10_000,
    note: () => ({ key: "tile.network.note" }),
  },
  {
    id: "load",
    group: "saturation",
    title: "tile.load",
    unit: "none",
    expr: (scope) => `${select(scope, "node_load1")} / scalar(count(count by (cpu) (${select(scope, "node_cpu_seconds_total")})))`,
    limits: { warn: 1.5, bad: 4 },
    floor: 1,
    note: (_labels, facts) => ({ key: "tile.load.note", load: facts.load1 ?? NaN }),
  },
  pressure("pressure-cpu", "tile.pressure.cpu", "node_pressure_cpu_waiting_seconds_total"),
  pressure("pressure-memory", "tile.pressure.memory", "node_pressure_memory_waiting_seconds_total"),
  pressure("pressure-io", "tile.pressure.io", "node_pressure_io_waiting_seconds_total"),
  {
    id: "net-errors",
    group: "errors",
    title: "tile.netErrors",
    unit: "per_s",
    expr: (scope) =>
      `sum(${rate(scope, "node_network_receive_errs_total", REAL_NETS)}) + sum(${rate(scope, "node_network_transmit_errs_total", REAL_NETS)})`,
    limits: { warn: 1e-9, bad: 10 },
    floor: 1,
    note: () => ({ key: "tile.netErrors.note" }),
  },
  {
    id: "net-drops",
    group: "errors",
    title: "tile.netDrops",
    unit: "per_s",
    expr: (scope) =>
      `sum(${rate(scope, "node_network_receive_drop_total", REAL_NETS)}) + sum(${rate(scope, "node_network_transmit_drop_total", REAL_NETS)})`,
    limits: { warn: 1, bad: 100 },
    floor: 1,
    note: () => ({ key: "tile.netErrors.note" }),
  },
  {
    id: "oom",
    group: "errors",
    title: "tile.oom",
    unit: "short",
    expr: (scope) => `round(increase(${select(scope, "node_vmstat_oom_kill")}[${Math.max(60, scope.grid.endS - scope.grid.startS)}s]))`,
    limits: { warn: 1, bad: 1 },
    floor: 1,
    note: () => ({ key: "tile.oom.note" }),
  },
  {
    id: "fs-errors",
    group: "errors",
    title: "tile.fsErrors",
    unit: "short",
    expr: (scope) => `sum(${select(scope, "node_filesystem_device_error", REAL_FILESYSTEMS)})`,
    limits: { warn: 1, bad: 3 },
    floor: 1,
    note: () => ({ key: "tile.fsErrors.note" }),
  },
];
