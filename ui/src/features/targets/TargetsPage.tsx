// The targets page: what is scraped, and how it goes.
import { useEffect, useMemo, useState } from "preact/hooks";
import { api } from "../../api/client";
import type { Health, Target } from "../../api/types";
import { lastGood, useLoad } from "../../api/useLoad";
import { search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { FilterBar } from "../../components/FilterBar";
import { readRefresh, RefreshControl, writeRefresh } from "../../components/RefreshControl";
import { Select } from "../../components/Select";
import { Empty, ErrorNote, Skeleton } from "../../components/States";
import { plural, t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { TargetTable } from "./TargetTable";
import { groupTargets, readFilter, type TargetFilter, writeFilter } from "./targetView";

const HEALTHS: readonly (Health | null)[] = [null, "up", "down", "unknown"];

function Filters({ targets, filter, onChange }: { readonly targets: readonly Target[]; readonly filter: TargetFilter; readonly onChange: (filter: TargetFilter) => void }) {
  const pools = [...new Set(targets.map((target) => target.scrapePool))].sort();
  const count = (health: Health | null): number => targets.filter((target) => health === null || target.health === health).length;
  return (
    <FilterBar
      label={t("targets.search")}
      text={filter.text}
      onText={(text) => onChange({ ...filter, text })}
      kindLabel={t("targets.health")}
      kinds={HEALTHS.map((health) => ({ value: health, label: t(`targets.health.${health ?? "all"}`), count: count(health) }))}
      kind={filter.health}
      onKind={(health) => onChange({ ...filter, health })}
    >
      {pools.length > 1 && (
        <Select
          label={t("targets.pool")}
          options={[{ value: "", label: t("targets.pool.all") }, ...pools.map((pool) => ({ value: pool, label: pool }))]}
          value={filter.pool ?? ""}
          onChange={(pool) => onChange({ ...filter, pool: pool === "" ? null : pool })}
        />
      )}
    </FilterBar>
  );
}

export function TargetsPage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const filter = readFilter(params);
  const everyMs = readRefresh(params);
  const { nowMs, poke } = useClock(everyMs);
  const { state } = useLoad("targets", nowMs, async (stop) => (await api.targets(stop)).data);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const loaded = lastGood(state);
  const pools = loaded === undefined ? [] : groupTargets(loaded.active, filter);
  const title = t("nav.targets");
  const language = locale.value;
  useEffect(() => {
    document.title = `${title} · Watchfire`;
  }, [title]);
  const setFilter = (next: TargetFilter): void => updateParams((p) => writeFilter(p, next), "replace");
  const toggle = (pool: string, open: boolean): void => {
    const next = new Set(closed);
    if (open) next.delete(pool);
    else next.add(pool);
    setClosed(next);
  };

  return (
    <>
      <header class="page-head">
        <div class="page-title">
          <h1>{title}</h1>
          {loaded !== undefined && (
            <p class="facts">
              {t("targets.summary", {
                up: formatNumber(loaded.active.filter((target) => target.health === "up").length, language, 0),
                total: formatNumber(loaded.active.length, language, 0),
              })}
            </p>
          )}
        </div>
        <div class="controls">
          <RefreshControl everyMs={everyMs} onChange={(ms) => updateParams((p) => writeRefresh(p, ms), "replace")} onNow={poke} />
        </div>
      </header>
      {state.kind === "loading" && <Skeleton height={320} />}
      {state.kind === "failed" && loaded === undefined && <ErrorNote error={state.error} />}
      {loaded !== undefined && loaded.active.length === 0 && <Empty title={t("targets.empty.title")} text={t("targets.empty.text")} />}
      {loaded !== undefined && loaded.active.length > 0 && (
        <div class="target-pools">
          <Filters targets={loaded.active} filter={filter} onChange={setFilter} />
          {pools.map((pool) => (
            <TargetTable key={pool.name} pool={pool} subject={`${filter.text} ${filter.health}`} nowMs={nowMs} open={!closed.has(pool.name)} onToggle={(open) => toggle(pool.name, open)} />
          ))}
          {pools.length === 0 && (
            <div class="no-match">
              <p>{t("targets.noMatch")}</p>
              <button type="button" class="button" onClick={() => setFilter({ text: "", pool: null, health: null })}>
                {t("targets.clear")}
              </button>
            </div>
          )}
          {loaded.droppedCount > 0 && (
            <p class="notice">{plural("targets.dropped.one", "targets.dropped.other", loaded.droppedCount, formatNumber(loaded.droppedCount, language, 0))}</p>
          )}
        </div>
      )}
    </>
  );
}
