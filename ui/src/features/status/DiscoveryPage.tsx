// What was discovered, what became of it, and why: each relabeling step of a target.
import { useMemo, useState } from "preact/hooks";
import type { Labels } from "../../api/types";
import { lastGood, useLoad } from "../../api/useLoad";
import { search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { Icon } from "../../components/Icon";
import { LabelChips } from "../../components/LabelChips";
import { PageHead } from "../../components/PageHead";
import { SearchBox } from "../../components/SearchBox";
import { Empty, ErrorNote, NoData, Skeleton } from "../../components/States";
import { t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { changesOf, type DiscoveredPool, poolsOf } from "./discoveryView";
import { type RelabelStep, statusApi } from "./statusApi";

const ROWS_AT_FIRST = 50;
// On every target, and nearly always "false": the steps still start from them.
const NOISE = ["__always_scrape_classic_histograms__", "__convert_classic_histograms_to_nhcb__", "__scrape_native_histograms__"];

function Step({ step, before, number }: { readonly step: RelabelStep; readonly before: Labels; readonly number: number }) {
  const changes = changesOf(before, step.output);
  return (
    <li class="relabel-step">
      <span class="badge num">{number}</span>
      <div>
        <code>{Object.entries(step.rule).map(([name, value]) => `${name}: ${value}`).join("  ")}</code>
        {!step.keep && <p class="badge is-bad">{t("discovery.droppedHere")}</p>}
        {step.keep && changes.length === 0 && <p class="muted">{t("discovery.unchanged")}</p>}
        {step.keep && (
          <ul class="label-changes mono">
            {changes.map(({ name, was, is }) => (
              <li key={name}>
                <i>{name}</i> {was !== null && <del>{was}</del>} {is !== null && <ins>{is}</ins>}
              </li>
            ))}
          </ul>
        )}
      </div>
    </li>
  );
}

function Steps({ pool, labels }: { readonly pool: string; readonly labels: Labels }) {
  const { state } = useLoad(`steps ${pool} ${JSON.stringify(labels)}`, 0, async (stop) => (await statusApi.relabelSteps(pool, labels, stop)).data.steps);
  const steps = lastGood(state);
  if (state.kind === "failed") return <ErrorNote error={state.error} />;
  if (steps === undefined) return <Skeleton height={60} />;
  if (steps.length === 0) return <p class="muted">{t("discovery.noSteps")}</p>;
  return (
    <ol class="relabel-steps">
      {steps.map((step, index) => (
        <Step key={index} step={step} number={index + 1} before={steps[index - 1]?.output ?? labels} />
      ))}
    </ol>
  );
}

function Pool({ pool }: { readonly pool: DiscoveredPool }) {
  const [all, setAll] = useState(false);
  const [open, setOpen] = useState<string | null>(null);
  const shown = all ? pool.targets : pool.targets.slice(0, ROWS_AT_FIRST);
  const number = (value: number): string => formatNumber(value, locale.value, 0);
  return (
    <details class="card pool" open data-pool={pool.name}>
      <summary>
        <Icon name="chevron" />
        <h2>{pool.name}</h2>
        <span class="badge is-ok">{t("discovery.kept", { count: number(pool.active) })}</span>
        {pool.dropped > 0 && <span class="badge">{t("discovery.droppedCount", { count: number(pool.dropped) })}</span>}
      </summary>
      <ul class="discovered">
        {shown.map((target) => {
          const id = JSON.stringify(target.discovered);
          return (
            <li key={id}>
              <div>
                <h3>{t("discovery.discovered")}</h3>
                <LabelChips labels={target.discovered} skip={NOISE.filter((name) => target.discovered[name] === "false")} />
              </div>
              <div>
                <h3>{t("discovery.target")}</h3>
                {target.labels === null ? <span class="badge">{t("discovery.dropped")}</span> : <LabelChips labels={target.labels} />}
              </div>
              <button type="button" class="button" aria-expanded={open === id} onClick={() => setOpen(open === id ? null : id)}>
                {t("discovery.steps")}
              </button>
              {open === id && <Steps pool={pool.name} labels={target.discovered} />}
            </li>
          );
        })}
      </ul>
      {shown.length < pool.targets.length && (
        <button type="button" class="link-button" onClick={() => setAll(true)}>
          {t("query.showMore", { count: number(pool.targets.length) })}
        </button>
      )}
    </details>
  );
}

export function DiscoveryPage() {
  const text = useMemo(() => new URLSearchParams(search.value).get("q") ?? "", [search.value]);
  const { state } = useLoad("discovered", 0, async (stop) => (await statusApi.discovered(stop)).data);
  const loaded = lastGood(state);
  const pools = useMemo(() => (loaded === undefined ? [] : poolsOf(loaded, text)), [loaded, text]);
  const isNothing = loaded !== undefined && loaded.active.length + loaded.dropped.length === 0;
  return (
    <>
      <PageHead title={t("nav.discovery")} />
      {state.kind === "loading" && <Skeleton height={320} />}
      {state.kind === "failed" && <ErrorNote error={state.error} />}
      {isNothing && <Empty title={t("targets.empty.title")} text={t("targets.empty.text")} />}
      {loaded !== undefined && !isNothing && (
        <div class="target-pools">
          <div class="filters" role="search">
            <SearchBox label={t("discovery.search")} value={text} onInput={(q) => updateParams((p) => (q === "" ? p.delete("q") : p.set("q", q)), "replace")} />
          </div>
          {pools.map((pool) => (
            <Pool key={pool.name} pool={pool} />
          ))}
          {pools.length === 0 && <NoData height={160} text={t("targets.noMatch")} />}
        </div>
      )}
    </>
  );
}
