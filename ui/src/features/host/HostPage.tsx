// The first page: how this machine does, without a query typed.
import { useEffect, useMemo } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { href, search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { readRefresh, RefreshControl, writeRefresh } from "../../components/RefreshControl";
import { Select } from "../../components/Select";
import { Empty, ErrorNote, Skeleton } from "../../components/States";
import { TimeRangePicker } from "../../components/TimeRangePicker";
import { plural, t } from "../../i18n";
import { formatNumber, formatSpan, formatUnit } from "../../lib/format";
import { boundsOf, gridOf, readRange, writeRange, zoomRange } from "../../lib/timeRange";
import { Filesystems } from "./Filesystems";
import { HostChart } from "./HostChart";
import { HostTile } from "./HostTile";
import { fetchIntervals, fetchVector } from "./load";
import { PANELS } from "./panels";
import { type HostIdentity, readHosts, scopeOf, select } from "./scope";
import { type HostFacts, TILES, type TileGroup } from "./tiles";

const CHART_POINTS = 240;
const TILE_POINTS = 60;
const GROUPS: readonly TileGroup[] = ["utilisation", "saturation", "errors"];
const NO_FACTS: HostFacts = { cpus: null, memoryTotal: null, memoryAvailable: null, load1: null, bootTimeS: null };

/** Loads what the header says of a host. */
async function fetchFacts(host: HostIdentity, stop: AbortSignal): Promise<HostFacts> {
  const scope = scopeOf(host, { startS: 0, endS: 0, stepS: 1 }, 1);
  const names = "node_memory_MemTotal_bytes|node_memory_MemAvailable_bytes|node_load1|node_boot_time_seconds";
  const [gauges, cpus] = await Promise.all([
    fetchVector(select(scope, "", `__name__=~"${names}"`), stop),
    fetchVector(`count(count by (cpu) (${select(scope, "node_cpu_seconds_total")}))`, stop),
  ]);
  const of = (name: string): number | null => gauges.find((sample) => sample.labels["__name__"] === name)?.v ?? null;
  return {
    cpus: cpus[0]?.v ?? null,
    memoryTotal: of("node_memory_MemTotal_bytes"),
    memoryAvailable: of("node_memory_MemAvailable_bytes"),
    load1: of("node_load1"),
    bootTimeS: of("node_boot_time_seconds"),
  };
}

function HostHeader({ host, facts, nowMs }: { readonly host: HostIdentity; readonly facts: HostFacts; readonly nowMs: number }) {
  const language = locale.value;
  const details = [
    `${host.system} ${host.release}`.trim(),
    host.machine,
    facts.cpus === null ? "" : plural("host.cpus.one", "host.cpus.other", facts.cpus, formatNumber(facts.cpus, language, 0)),
    facts.memoryTotal === null ? "" : t("host.memory", { size: formatUnit(facts.memoryTotal, "bytes", language) }),
    facts.bootTimeS === null ? "" : t("host.up", { span: formatSpan(nowMs / 1000 - facts.bootTimeS, language) }),
  ].filter((text) => text !== "");
  return (
    <div class="page-title">
      <h1>{host.nodename}</h1>
      <ul class="facts">
        {details.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </div>
  );
}

export function HostPage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const range = readRange(params);
  const everyMs = readRefresh(params);
  const { nowMs, poke } = useClock(range.kind === "live" ? everyMs : 0);
  const hosts = useLoad("hosts", nowMs, async (stop) => readHosts(await fetchVector("node_uname_info", stop)));
  const intervals = useLoad("intervals", 0, fetchIntervals);
  const known = lastGood(hosts.state);
  const host = known?.find((one) => one.instance === params.get("instance")) ?? known?.[0];
  const facts = useLoad(host === undefined ? null : `facts ${host.instance}`, nowMs, (stop) => (host === undefined ? Promise.resolve(NO_FACTS) : fetchFacts(host, stop)));

  useEffect(() => {
    document.title = host === undefined ? "Watchfire" : `${host.nodename} · Watchfire`;
  }, [host?.nodename]);

  // No interval yet: a failure to read targets must not hide the charts.
  const intervalsKnown = intervals.state.kind !== "loading";
  const setRange = (next: Parameters<typeof writeRange>[1]): void => updateParams((p) => writeRange(p, next));

  return (
    <>
      <header class="page-head">
        {host === undefined ? (
          <div class="page-title">
            <h1>{t("host.title")}</h1>
          </div>
        ) : (
          <HostHeader host={host} facts={lastGood(facts.state) ?? NO_FACTS} nowMs={nowMs} />
        )}
        <div class="controls">
          {known !== undefined && known.length > 1 && host !== undefined && (
            <Select
              label={t("host.instance")}
              icon="host"
              options={known.map((one) => ({ value: one.instance, label: one.nodename === one.instance ? one.instance : `${one.nodename} (${one.instance})` }))}
              value={host.instance}
              onChange={(instance) => updateParams((p) => p.set("instance", instance))}
            />
          )}
          <TimeRangePicker range={range} nowMs={nowMs} onChange={setRange} />
          {range.kind === "fixed" ? (
            <button type="button" class="button" onClick={() => updateParams((p) => (p.delete("from"), p.delete("to")))}>
              {t("range.backToLive")}
            </button>
          ) : (
            <RefreshControl everyMs={everyMs} onChange={(ms) => updateParams((p) => writeRefresh(p, ms), "replace")} onNow={poke} />
          )}
        </div>
      </header>
      {hosts.state.kind === "loading" && <HostSkeleton />}
      {hosts.state.kind === "failed" && known === undefined && <ErrorNote error={hosts.state.error} />}
      {known !== undefined && host === undefined && (
        <Empty title={t("host.empty.title")} text={t("host.empty.text")}>
          <a class="button button-primary" href={href("targets")}>
            {t("host.empty.targets")}
          </a>
        </Empty>
      )}
      {host !== undefined && intervalsKnown && (
        <HostBody
          host={host}
          facts={lastGood(facts.state) ?? NO_FACTS}
          range={range}
          nowMs={nowMs}
          intervalS={lastGood(intervals.state)?.get(`${host.job} ${host.instance}`) ?? 15}
          onZoom={(from, to) => setRange(zoomRange(from * 1000, to * 1000))}
        />
      )}
    </>
  );
}

function HostSkeleton() {
  return (
    <div class="chart-grid">
      {[0, 1, 2, 3].map((index) => (
        <div class="card" key={index}>
          <Skeleton height={240} />
        </div>
      ))}
    </div>
  );
}

interface BodyProps {
  readonly host: HostIdentity;
  readonly facts: HostFacts;
  readonly range: ReturnType<typeof readRange>;
  readonly nowMs: number;
  readonly intervalS: number;
  readonly onZoom: (fromS: number, toS: number) => void;
}

function HostBody({ host, facts, range, nowMs, intervalS, onZoom }: BodyProps) {
  // One moment for all: charts of one refresh share their grid.
  const chartScope = useMemo(() => scopeOf(host, gridOf(range, nowMs, CHART_POINTS, intervalS), intervalS), [host, range, nowMs, intervalS]);
  const tileScope = useMemo(() => scopeOf(host, gridOf(range, nowMs, TILE_POINTS, intervalS), intervalS), [host, range, nowMs, intervalS]);
  const { fromMs, toMs } = boundsOf(range, nowMs);
  const subject = range.kind === "live" ? `${host.instance} ${range.lengthMs}` : `${host.instance} ${fromMs} ${toMs}`;
  return (
    <div class="host-body">
      <div class="tile-groups">
        {GROUPS.map((group) => (
          <section key={group} class={`tile-group tile-group-${group}`} aria-label={t(`host.${group}`)}>
            <h2>{t(`host.${group}`)}</h2>
            <div class="tiles">
              {TILES.filter((tile) => tile.group === group).map((tile) => (
                <HostTile key={tile.id} spec={tile} scope={tileScope} facts={facts} subject={subject} tick={nowMs} />
              ))}
            </div>
          </section>
        ))}
      </div>
      <h2 class="section-title">{t("host.trends")}</h2>
      <div class="chart-grid">
        {PANELS.map((panel) => (
          <HostChart key={panel.id} spec={panel} scope={chartScope} subject={subject} tick={nowMs} onZoom={onZoom} />
        ))}
        <Filesystems scope={tileScope} subject={host.instance} tick={nowMs} />
      </div>
    </div>
  );
}
