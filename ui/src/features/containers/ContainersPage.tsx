// The containers page: every container of every machine that is watched, and one of them in detail.
import { useMemo } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { href, search, updateParams } from "../../app/router";
import { useClock } from "../../app/useClock";
import { PageHead } from "../../components/PageHead";
import { readRefresh, RefreshControl, writeRefresh } from "../../components/RefreshControl";
import { Select } from "../../components/Select";
import { ErrorNote, Skeleton, Stale } from "../../components/States";
import { TimeRangePicker } from "../../components/TimeRangePicker";
import { t } from "../../i18n";
import { boundsOf, gridOf, rateWindow, readRange, type TimeRange, writeRange, zoomRange } from "../../lib/timeRange";
import { fetchIntervals, fetchVector } from "../host/load";
import { ContainerDetail } from "./ContainerDetail";
import { ContainerList } from "./ContainerList";
import { type Answers, type Container, readContainers } from "./containers";
import { type ContainersState, readContainersState, writeContainersState } from "./containerUrl";
import { NoContainers } from "./NoContainers";
import { type GroupName, listQueries } from "./queries";

const CHART_POINTS = 240;
const DEFAULT_INTERVAL_S = 15;

interface Loaded {
  readonly containers: readonly Container[];
  readonly machines: Answers["machines"];
}

async function loadContainers(instance: string | null, window: string, rangeS: number, atS: number | null, stop: AbortSignal): Promise<Loaded> {
  const queries = listQueries(instance, window, rangeS);
  const entries = await Promise.all(Object.entries(queries).map(async ([name, query]) => [name, await fetchVector(query as string, stop, atS)] as const));
  const answers = Object.fromEntries(entries) as Answers;
  return { containers: readContainers(answers), machines: answers.machines };
}

/** Which group the key of a container names. */
function groupOf(key: string): GroupName {
  try {
    const [instance, job, id] = JSON.parse(key) as unknown[];
    return { instance: String(instance), job: String(job), id: String(id) };
  } catch {
    return { instance: "", job: "", id: key };
  }
}

/** Returns the scrape interval (seconds) of whoever tells of these containers. */
function intervalOf(containers: readonly { readonly job: string; readonly instance: string }[], intervals: ReadonlyMap<string, number> | undefined): number {
  return Math.max(1, ...containers.map((one) => intervals?.get(`${one.job} ${one.instance}`) ?? DEFAULT_INTERVAL_S));
}

/** The machines that tell of containers; asked for once, they choose what else is asked for. */
async function loadMachines(stop: AbortSignal): Promise<{ readonly job: string; readonly instance: string }[]> {
  const samples = await fetchVector("group by (job, instance) (container_last_seen)", stop);
  return samples.map(({ labels }) => ({ job: labels["job"] ?? "", instance: labels["instance"] ?? "" })).sort((a, b) => a.instance.localeCompare(b.instance, "en", { numeric: true }));
}

export function ContainersPage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const state = useMemo(() => readContainersState(params), [params]);
  const range = useMemo(() => readRange(params), [params]);
  const everyMs = readRefresh(params);
  const { nowMs, poke } = useClock(range.kind === "live" ? everyMs : 0);
  const known = useLoad("container machines", 0, async (stop) => {
    // A failure to read the targets must not hide the page.
    const [machines, intervals] = await Promise.all([loadMachines(stop), fetchIntervals(stop).catch(() => undefined)]);
    return { machines, intervals };
  });
  const setup = lastGood(known.state);
  const chosen = state.chosen === null ? null : groupOf(state.chosen);
  const instance = chosen?.instance ?? state.instance;
  const { fromMs, toMs } = boundsOf(range, nowMs);
  const intervalS = intervalOf(setup?.machines ?? [], setup?.intervals);
  const when = range.kind === "live" ? String(range.lengthMs) : `${fromMs} ${toMs}`;
  const subject = setup === undefined ? null : `containers ${instance} ${when}`;
  const { state: loading } = useLoad(subject, nowMs, (stop) => loadContainers(instance, `${Math.max(60, 4 * intervalS)}s`, (toMs - fromMs) / 1000, range.kind === "live" ? null : toMs / 1000, stop));
  const loaded = lastGood(loading);
  const container = loaded?.containers.find((one) => one.key === state.chosen);
  const failed = known.state.kind === "failed" && setup === undefined ? known.state.error : loading.kind === "failed" ? loading.error : null;
  const setRange = (next: TimeRange): void => updateParams((p) => writeRange(p, next));
  const onState = (change: Partial<ContainersState>): void => updateParams((p) => writeContainersState(p, { ...state, ...change }), "replace");
  const link = (key: string | null): string => {
    const next = new URLSearchParams(params);
    writeContainersState(next, { ...state, chosen: key });
    return href("containers", next);
  };
  const onZoom = (from: number, to: number): void => setRange(zoomRange(from * 1000, to * 1000));
  const grid = gridOf(range, nowMs, CHART_POINTS, intervalS);
  const title = chosen === null ? t("nav.containers") : (container?.name ?? chosen.id.split("/").at(-1) ?? "");
  const machines = [...new Set((setup?.machines ?? []).map((one) => one.instance))];
  return (
    <>
      <PageHead title={title}>
        {failed !== null && loaded !== undefined && <Stale error={failed} />}
        {chosen === null && machines.length > 1 && (
          <Select
            label={t("host.instance")}
            icon="host"
            options={[{ value: "", label: t("container.everywhere") }, ...machines.map((name) => ({ value: name, label: name }))]}
            value={state.instance ?? ""}
            onChange={(name) => onState({ instance: name === "" ? null : name })}
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
      </PageHead>
      {loaded === undefined && failed === null && <Skeleton height={320} />}
      {loaded === undefined && failed !== null && <ErrorNote error={failed} />}
      {loaded !== undefined && chosen !== null && <ContainerDetail group={chosen} container={container} back={link(null)} grid={grid} window={rateWindow(grid.stepS, intervalS)} subject={`${state.chosen} ${when}`} nowMs={nowMs} onZoom={onZoom} />}
      {loaded !== undefined && chosen === null && loaded.containers.length === 0 && <NoContainers tick={nowMs} />}
      {loaded !== undefined && chosen === null && loaded.containers.length > 0 && <ContainerList {...loaded} state={state} onState={onState} link={link} range={range} nowMs={nowMs} intervalS={intervalS} onZoom={onZoom} />}
    </>
  );
}
