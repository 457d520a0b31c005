// One metric: what it says about itself, its labels, its last hour, and queries to go on with.
import { useMemo, useState } from "preact/hooks";
import { api, request, serverNow } from "../../api/client";
import { list } from "../../api/decode";
import { labels } from "../../api/types";
import { lastGood, useLoad } from "../../api/useLoad";
import { href } from "../../app/router";
import { locale } from "../../app/settings";
import { Chart } from "../../components/chart/Chart";
import { HeatmapChart } from "../../components/chart/HeatmapChart";
import { ErrorNote, NoData, Skeleton } from "../../components/States";
import { t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { type GraphAnswer, graphData, graphGrid, heatData } from "../query/graphData";
import { labelCounts } from "../query/planView";
import { NEW_PANEL, writePanels } from "../query/queryUrl";
import type { Family } from "./families";
import { byValue, selector, type Suggestion, suggestions } from "./suggest";

const SERIES_READ = "2000";
const VALUES_SHOWN = 12;
const SERIES_DRAWN = 20;

/** The chosen query over the last hour. */
function Preview({ ask }: { readonly ask: Suggestion }) {
  const [nowMs] = useState(serverNow);
  const panel = { ...NEW_PANEL, expr: ask.expr, tab: "graph" as const, density: "low" as const };
  const { state } = useLoad(`preview ${ask.expr}`, nowMs, async (stop): Promise<GraphAnswer> => {
    const grid = graphGrid(panel, nowMs);
    return { reply: await api.largeQueryRange({ query: ask.expr, ...grid }, stop), grid, exemplars: [] };
  });
  const answer = lastGood(state);
  const isHeat = ask.display === "heatmap";
  const data = useMemo(() => (answer === undefined || isHeat ? null : graphData(answer, SERIES_DRAWN, { reset: t("chart.mark.reset"), end: t("chart.mark.end"), exemplar: "" })), [answer, isHeat, locale.value]);
  const heat = useMemo(() => (answer === undefined || !isHeat ? null : heatData(answer, SERIES_DRAWN)), [answer, isHeat]);
  if (state.kind === "failed") return <ErrorNote error={state.error} />;
  if (answer === undefined) return <Skeleton height={220} />;
  if (answer.reply.data.kind !== "matrix" || answer.reply.data.frames.length === 0) return <NoData height={220} />;
  if (heat !== null) return <HeatmapChart title={ask.expr} heat={heat} height={200} onZoom={() => undefined} />;
  return data === null ? null : <Chart id="explore" title={ask.expr} data={data} look={{ unit: "short", stacked: false, floor: 0, fitted: true }} height={200} />;
}

function LabelList({ family, matchers, onLabel }: { readonly family: Family; readonly matchers: readonly string[]; readonly onLabel: (label: string, value: string) => void }) {
  const name = family.type === "histogram" && !family.native ? `${family.name}_bucket` : family.type === "summary" ? `${family.name}_count` : family.name;
  const match = selector(name, matchers);
  const { state } = useLoad(`series ${match}`, 0, async (stop) => (await request("api/v1/series", { "match[]": match, limit: SERIES_READ, start: String(Math.floor(serverNow() / 1000) - 3600) }, list(labels), stop)).data);
  const series = lastGood(state) ?? [];
  const counts = useMemo(() => labelCounts(series).filter((one) => one.name !== "__name__"), [series]);
  return (
    <dl class="label-list">
      {counts.map(({ name: label, values }) => (
        <div key={label}>
          <dt>
            <code>{label}</code> <span class="num muted">{formatNumber(values, locale.value, 0)}</span>
          </dt>
          <dd>
            {[...new Set(series.map((one) => one[label] ?? ""))]
              .filter((value) => value !== "")
              .sort(byValue)
              .slice(0, VALUES_SHOWN)
              .map((value) => (
                <button key={value} type="button" class="chip mono" title={t("explore.narrow")} onClick={() => onLabel(label, value)}>
                  {value}
                </button>
              ))}
            {values > VALUES_SHOWN && <span class="muted">{t("chart.more", { count: values - VALUES_SHOWN })}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

interface Props {
  readonly family: Family;
  readonly matchers: readonly string[];
  readonly onLabel: (label: string, value: string) => void;
}

export function FamilyDetail({ family, matchers, onLabel }: Props) {
  const asks = suggestions(family, matchers);
  const [at, setAt] = useState(0);
  const ask = asks[at] ?? asks[0];
  if (ask === undefined) return null;
  const link = href("query", writePanels([{ ...NEW_PANEL, expr: ask.expr, tab: "graph", display: ask.display }]));
  return (
    <section class="card family-detail" aria-label={family.name} data-detail={family.name}>
      <header>
        <h2 class="mono">{family.name}</h2>
        <span class={`badge type-${family.type}`}>{family.type}</span>
        {family.unit !== "" && <span class="badge">{family.unit}</span>}
      </header>
      <p class="family-about">{family.help === "" ? t("explore.noHelp") : family.help}</p>
      <div class="asks" role="group" aria-label={t("explore.asks")}>
        {asks.map((one, index) => (
          <button key={one.label} type="button" class="chip" aria-pressed={index === at} onClick={() => setAt(index)}>
            {t(one.label)}
          </button>
        ))}
        <a class="button button-primary" href={link}>
          {t("explore.open")}
        </a>
      </div>
      <code class="ask-expr">{ask.expr}</code>
      <Preview key={ask.expr} ask={ask} />
      <h3>{t("targets.labels")}</h3>
      <LabelList family={family} matchers={matchers} onLabel={onLabel} />
    </section>
  );
}
