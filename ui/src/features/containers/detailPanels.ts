// The charts of one container: what each asks and how it reads.
import type { Labels } from "../../api/types";
import type { ChartLook } from "../../components/chart/model";
import type { PanelQuery } from "../../components/chart/panel";
import { t, type PlainKey } from "../../i18n";
import { type GroupName, select } from "./queries";

export interface DetailPanel {
  readonly id: string;
  readonly title: PlainKey;
  readonly note?: PlainKey;
  readonly look: ChartLook;
  readonly queries: (group: GroupName, network: GroupName, window: string) => readonly PanelQuery[];
}

const line = (expr: string, title: PlainKey, color: string, extra: Partial<PanelQuery> = {}): PanelQuery => ({ expr, name: () => t(title), color, ...extra });
const rate = (group: GroupName, name: string, window: string): string => `rate(${select(group, name)}[${window}])`;
const device = (labels: Labels): string => labels["device"] ?? labels["interface"] ?? "?";

/** The charts of one container; `network` is the group that owns its network: its pod's, in Kubernetes. */
export const DETAIL_PANELS: readonly DetailPanel[] = [
  {
    id: "c-cpu",
    title: "container.panel.cpu",
    note: "container.panel.cpu.note",
    look: { unit: "none", stacked: true, floor: 0.01 },
    queries: (group, _network, window) => [
      line(rate(group, "cpu_user_seconds_total", window), "series.user", "--series-1"),
      line(rate(group, "cpu_system_seconds_total", window), "series.system", "--series-2"),
      line(`${select(group, "spec_cpu_quota")} / ${select(group, "spec_cpu_period")} > 0`, "container.limit", "--series-8", { reference: true }),
    ],
  },
  {
    id: "c-memory",
    title: "panel.memory",
    look: { unit: "bytes", stacked: false, floor: 1024 * 1024 },
    queries: (group) => [
      line(select(group, "memory_working_set_bytes"), "container.workingSet", "--series-1"),
      line(select(group, "memory_rss"), "container.rss", "--series-3"),
      line(select(group, "memory_cache"), "series.memCached", "--series-6", { faint: true }),
      line(`${select(group, "spec_memory_limit_bytes")} > 0`, "container.limit", "--series-8", { reference: true }),
    ],
  },
  {
    id: "c-network",
    title: "panel.netBits",
    note: "panel.netBits.note",
    look: { unit: "bits/s", stacked: false, floor: 10_000 },
    queries: (_group, network, window) => [
      { expr: `${rate(network, "network_receive_bytes_total", window)} * 8`, name: (labels) => t("series.received", { device: device(labels) }) },
      { expr: `${rate(network, "network_transmit_bytes_total", window)} * 8`, name: (labels) => t("series.sent", { device: device(labels) }), mirrored: true },
    ],
  },
  {
    id: "c-disk",
    title: "panel.diskBytes",
    note: "panel.diskBytes.note",
    look: { unit: "bytes/s", stacked: false, floor: 10_000 },
    queries: (group, _network, window) => [
      { expr: rate(group, "fs_reads_bytes_total", window), name: (labels) => t("series.read", { device: device(labels) }) },
      { expr: rate(group, "fs_writes_bytes_total", window), name: (labels) => t("series.written", { device: device(labels) }), mirrored: true },
    ],
  },
  {
    id: "c-throttled",
    title: "container.panel.throttled",
    note: "container.panel.throttled.note",
    look: { unit: "ratio", stacked: false, floor: 0.05 },
    queries: (group, _network, window) => [
      line(`${rate(group, "cpu_cfs_throttled_periods_total", window)} / (${rate(group, "cpu_cfs_periods_total", window)} > 0)`, "container.throttledShare", "--series-5"),
    ],
  },
  {
    id: "c-pressure",
    title: "panel.pressure",
    note: "panel.pressure.note",
    look: { unit: "ratio", stacked: false, floor: 0.05 },
    queries: (group, _network, window) => [
      line(rate(group, "pressure_cpu_waiting_seconds_total", window), "series.pressureCpu", "--series-1"),
      line(rate(group, "pressure_memory_waiting_seconds_total", window), "series.pressureMemory", "--series-4"),
      line(rate(group, "pressure_io_waiting_seconds_total", window), "series.pressureIo", "--series-3"),
    ],
  },
  {
    id: "c-events",
    title: "container.panel.events",
    look: { unit: "none", stacked: false, floor: 1 },
    queries: (group, _network, window) => [
      line(`round(increase(${select(group, "oom_events_total")}[${window}]))`, "tile.oom", "--series-5"),
      line(`round(increase(${select(group, "memory_events_max_total")}[${window}]))`, "container.limitHits", "--series-6"),
    ],
  },
  {
    id: "c-tasks",
    title: "container.panel.tasks",
    look: { unit: "none", stacked: false, floor: 1 },
    queries: (group) => [line(select(group, "processes"), "panel.processes", "--series-1"), line(select(group, "threads"), "container.threads", "--series-7")],
  },
];
