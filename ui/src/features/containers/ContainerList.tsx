// All containers: sums, the busiest over time, and the table.
import { useMemo } from "preact/hooks";
import { api } from "../../api/client";
import { lastGood, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import { ChartCard } from "../../components/chart/ChartCard";
import { SearchBox } from "../../components/SearchBox";
import { Select } from "../../components/Select";
import { NoData } from "../../components/States";
import { plural, t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { type Column, gridTimes, toColumn } from "../../lib/frames";
import { boundsOf, type Grid, gridOf, rateWindow, type TimeRange } from "../../lib/timeRange";
import { type Answers, type Container, filterContainers, groupContainers, GROUPINGS, sortContainers } from "./containers";
import { COLUMNS, ContainerTable } from "./ContainerTable";
import type { ContainersState } from "./containerUrl";
import { topQuery } from "./queries";
import { Tiles } from "./Tiles";

const CHART_POINTS = 240;
const SPARK_POINTS = 40;
// Lines for more would cost more than they tell.
const SPARKS_MAX = 100;
const IN_CHARTS = 8;

async function loadSparks(containers: readonly Container[], grid: Grid, window: string, stop: AbortSignal): Promise<ReadonlyMap<string, Column>> {
  if (containers.length === 0 || containers.length > SPARKS_MAX) return new Map();
  const { data } = await api.largeQueryRange({ query: topQuery("cpu", containers.map((one) => one.id), window), ...grid }, stop);
  const length = gridTimes(grid).length;
  const frames = data.kind === "matrix" ? data.frames : [];
  return new Map(frames.map((frame) => [JSON.stringify([frame.labels["instance"] ?? "", frame.labels["job"] ?? "", frame.labels["id"] ?? ""]), toColumn(frame, grid, length)]));
}

interface Props {
  readonly containers: readonly Container[];
  readonly machines: Answers["machines"];
  readonly state: ContainersState;
  readonly onState: (change: Partial<ContainersState>) => void;
  readonly link: (key: string) => string;
  readonly range: TimeRange;
  readonly nowMs: number;
  readonly intervalS: number;
  readonly onZoom: (fromS: number, toS: number) => void;
}

function TopChart({ what, containers, grid, window, subject, nowMs, onZoom }: { readonly what: "cpu" | "memory"; readonly containers: readonly Container[]; readonly grid: Grid; readonly window: string; readonly subject: string; readonly nowMs: number; readonly onZoom: Props["onZoom"] }) {
  const top = sortContainers(containers, what, false).slice(0, IN_CHARTS);
  const nameOf = new Map(top.map((one) => [one.id, one.pod === "" ? one.name : `${one.pod}/${one.name}`]));
  const queries = () => [{ expr: topQuery(what, top.map((one) => one.id), window), name: (labels: Readonly<Record<string, string>>) => nameOf.get(labels["id"] ?? "") ?? "?", key: (labels: Readonly<Record<string, string>>) => `${labels["instance"]} ${labels["id"]}` }];
  const look = what === "cpu" ? { unit: "none" as const, stacked: true, floor: 0.01 } : { unit: "bytes" as const, stacked: true, floor: 1024 * 1024 };
  return <ChartCard id={`containers-${what}`} title={t(what === "cpu" ? "container.top.cpu" : "container.top.memory")} look={look} queries={queries} grid={grid} subject={subject} tick={nowMs} syncKey="containers" onZoom={onZoom} />;
}

export function ContainerList({ containers, machines, state, onState, link, range, nowMs, intervalS, onZoom }: Props) {
  const language = locale.value;
  const shown = useMemo(() => sortContainers(filterContainers(containers, state.text), state.sort, state.reversed), [containers, state.text, state.sort, state.reversed]);
  const groups = useMemo(() => groupContainers(shown, state.by), [shown, state.by]);
  const grid = useMemo(() => gridOf(range, nowMs, CHART_POINTS, intervalS), [range, nowMs, intervalS]);
  const sparkGrid = useMemo(() => gridOf(range, nowMs, SPARK_POINTS, intervalS), [range, nowMs, intervalS]);
  const { fromMs, toMs } = boundsOf(range, nowMs);
  const subject = `${state.instance} ${state.text} ${range.kind === "live" ? range.lengthMs : `${fromMs} ${toMs}`}`;
  const sparks = useLoad(`sparks ${subject}`, nowMs, (stop) => loadSparks(shown, sparkGrid, rateWindow(sparkGrid.stepS, intervalS), stop));
  const machineCount = new Set(containers.map((one) => one.instance)).size;
  const chart = { containers: shown, grid, window: rateWindow(grid.stepS, intervalS), subject, nowMs, onZoom };
  return (
    <div class="host-body">
      <Tiles containers={shown} machines={machines} />
      <div class="filters" role="search">
        <SearchBox label={t("container.search")} value={state.text} onInput={(text) => onState({ text })} />
        <Select label={t("am.groupBy")} icon="rules" options={GROUPINGS.map((by) => ({ value: by, label: t(`container.by.${by}`) }))} value={state.by} onChange={(by) => onState({ by: GROUPINGS.find((known) => known === by) ?? "none" })} />
        {/* A phone's table has no head to sort by. */}
        <span class="sort-choice">
          <Select label={t("container.sort")} options={COLUMNS.map((column) => ({ value: column.sort, label: t(column.title) }))} value={state.sort} onChange={(sort) => onState({ sort: COLUMNS.find((column) => column.sort === sort)?.sort ?? "cpu", reversed: false })} />
        </span>
        <span class="muted num">{plural("container.count.one", "container.count.other", shown.length, formatNumber(shown.length, language, 0))}</span>
      </div>
      {shown.length === 0 ? (
        <NoData height={160} text={t("container.noMatch")} />
      ) : (
        <>
          <div class="container-charts">
            <TopChart what="cpu" {...chart} />
            <TopChart what="memory" {...chart} />
          </div>
          <ContainerTable
            groups={groups}
            by={state.by}
            sort={state.sort}
            reversed={state.reversed}
            onSort={(sort) => onState(sort === state.sort ? { reversed: !state.reversed } : { sort, reversed: false })}
            nowMs={nowMs}
            sparks={lastGood(sparks.state) ?? new Map<string, Column>()}
            link={link}
            showInstance={machineCount > 1}
          />
        </>
      )}
    </div>
  );
}

