// The charts of the host page: what each asks and how it reads.
import type { Labels } from "../../api/types";
import type { ChartLook } from "../../components/chart/model";
import type { PanelQuery } from "../../components/chart/panel";
import { t, type PlainKey } from "../../i18n";
import { type HostScope, rate, REAL_DISKS, REAL_NETS, select } from "./scope";

export interface PanelSpec {
  readonly id: string;
  readonly title: PlainKey;
  readonly note?: PlainKey;
  readonly look: ChartLook;
  readonly queries: (scope: HostScope) => readonly PanelQuery[];
}

const SHARE: Omit<ChartLook, "stacked"> = { unit: "ratio", floor: 0.05 };
const device = (labels: Labels): string => labels["device"] ?? "?";

const CPU_MODES = [
  ["user", "--series-1"],
  ["system", "--series-2"],
  ["iowait", "--series-5"],
  ["irq", "--series-6"],
  ["softirq", "--series-4"],
  ["steal", "--series-8"],
  ["nice", "--series-3"],
] as const;

function cpu(scope: HostScope): PanelQuery[] {
  // One query for all modes: the division makes shares of the whole machine.
  const count = `scalar(count(count by (cpu) (${select(scope, "node_cpu_seconds_total")})))`;
  return CPU_MODES.map(([mode, color]) => ({
    expr: `sum by (mode) (${rate(scope, "node_cpu_seconds_total", 'mode!="idle"')}) / ${count}`,
    name: () => t(`series.${mode}`),
    color,
    keep: (labels) => labels["mode"] === mode,
  }));
}

const LOADS = ["node_load1", "node_load5", "node_load15"] as const;
const PROCESSES = ["node_procs_running", "node_procs_blocked"] as const;

/** One gauge out of several that are asked for together: one round trip instead of one each. */
function gauge(scope: HostScope, all: readonly string[], name: string, title: PlainKey, color: string): PanelQuery {
  return {
    expr: select(scope, "", `__name__=~"${all.join("|")}"`),
    keep: (labels) => labels["__name__"] === name,
    name: () => t(title),
    color,
  };
}

function memory(scope: HostScope): PanelQuery[] {
  const of = (field: string): string => select(scope, `node_memory_${field}_bytes`);
  const cached = `${of("Cached")} + ${of("SReclaimable")}`;
  return [
    { expr: `${of("MemTotal")} - ${of("MemFree")} - ${of("Buffers")} - ${of("Cached")} - ${of("SReclaimable")}`, name: () => t("series.memUsed"), color: "--series-1" },
    { expr: of("Buffers"), name: () => t("series.memBuffers"), color: "--series-4" },
    { expr: cached, name: () => t("series.memCached"), color: "--series-3" },
    { expr: of("MemFree"), name: () => t("series.memFree"), color: "--series-8", faint: true },
  ];
}

function pressure(scope: HostScope): PanelQuery[] {
  return [
    { expr: rate(scope, "node_pressure_cpu_waiting_seconds_total"), name: () => t("series.pressureCpu"), color: "--series-1" },
    { expr: rate(scope, "node_pressure_memory_waiting_seconds_total"), name: () => t("series.pressureMemory"), color: "--series-4" },
    { expr: rate(scope, "node_pressure_io_waiting_seconds_total"), name: () => t("series.pressureIo"), color: "--series-2" },
  ];
}

export const PANELS: readonly PanelSpec[] = [
  { id: "cpu", title: "panel.cpu", note: "panel.cpu.note", look: { ...SHARE, stacked: true, ceiling: 1 }, queries: cpu },
  {
    id: "load",
    title: "panel.load",
    look: { unit: "none", stacked: false, floor: 1 },
    queries: (scope) => [
      gauge(scope, LOADS, "node_load1", "series.load1", "--series-2"),
      gauge(scope, LOADS, "node_load5", "series.load5", "--series-1"),
      gauge(scope, LOADS, "node_load15", "series.load15", "--series-4"),
      {
        expr: `count(count by (cpu) (${select(scope, "node_cpu_seconds_total")}))`,
        name: () => t("series.cpus"),
        color: "--series-8",
        reference: true,
      },
    ],
  },
  { id: "memory", title: "panel.memory", look: { unit: "bytes", stacked: true, floor: 0 }, queries: memory },
  { id: "pressure", title: "panel.pressure", note: "panel.pressure.note", look: { ...SHARE, stacked: false }, queries: pressure },
  {
    id: "disk-bytes",
    title: "panel.diskBytes",
    note: "panel.diskBytes.note",
    look: { unit: "bytes/s", stacked: false, floor: 64 * 1024 },
    queries: (scope) => [
      { expr: rate(scope, "node_disk_read_bytes_total", REAL_DISKS), name: (labels) => t("series.read", { device: device(labels) }) },
      { expr: rate(scope, "node_disk_written_bytes_total", REAL_DISKS), name: (labels) => t("series.written", { device: device(labels) }), mirrored: true },
    ],
  },
  {
    id: "disk-busy",
    title: "panel.diskBusy",
    look: { ...SHARE, stacked: false },
    queries: (scope) => [{ expr: rate(scope, "node_disk_io_time_seconds_total", REAL_DISKS), name: device }],
  },
  {
    id: "net-bits",
    title: "panel.netBits",
    note: "panel.netBits.note",
    look: { unit: "bits/s", stacked: false, floor: 10_000 },
    queries: (scope) => [
      { expr: `${rate(scope, "node_network_receive_bytes_total", REAL_NETS)} * 8`, name: (labels) => t("series.received", { device: device(labels) }) },
      { expr: `${rate(scope, "node_network_transmit_bytes_total", REAL_NETS)} * 8`, name: (labels) => t("series.sent", { device: device(labels) }), mirrored: true },
    ],
  },
  {
    id: "net-errors",
    title: "panel.netErrors",
    look: { unit: "per_s", stacked: false, floor: 1 },
    queries: (scope) => [
      { expr: rate(scope, "node_network_receive_errs_total", REAL_NETS), name: (labels) => t("series.receiveErrors", { device: device(labels) }) },
      { expr: rate(scope, "node_network_transmit_errs_total", REAL_NETS), name: (labels) => t("series.transmitErrors", { device: device(labels) }) },
      { expr: rate(scope, "node_network_receive_drop_total", REAL_NETS), name: (labels) => t("series.receiveDrops", { device: device(labels) }) },
      { expr: rate(scope, "node_network_transmit_drop_total", REAL_NETS), name: (labels) => t("series.transmitDrops", { device: device(labels) }) },
    ],
  },
  {
    id: "processes",
    title: "panel.processes",
    look: { unit: "none", stacked: false, floor: 1 },
    queries: (scope) => [
      gauge(scope, PROCESSES, "node_procs_running", "series.running", "--series-7"),
      gauge(scope, PROCESSES, "node_procs_blocked", "series.blocked", "--series-5"),
    ],
  },
  {
    id: "switches",
    title: "panel.switches",
    look: { unit: "per_s", stacked: false, floor: 10 },
    queries: (scope) => [
      { expr: rate(scope, "node_context_switches_total"), name: () => t("series.switches"), color: "--series-1" },
      { expr: rate(scope, "node_intr_total"), name: () => t("series.interrupts"), color: "--series-6" },
    ],
  },
];
