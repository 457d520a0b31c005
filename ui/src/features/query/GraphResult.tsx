// The graph tab: the series of a query over time.
import { useMemo, useState } from "preact/hooks";
import { api } from "../../api/client";
import { locale } from "../../app/settings";
import { Chart } from "../../components/chart/Chart";
import { HeatmapChart } from "../../components/chart/HeatmapChart";
import type { ChartLook } from "../../components/chart/model";
import { NoData } from "../../components/States";
import { t } from "../../i18n";
import { formatNumber, formatRaw } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import { type GraphAnswer, graphData, graphGrid, heatData } from "./graphData";
import { type SeriesExemplars, queryApi } from "./queryApi";
import type { PanelState } from "./queryUrl";

// Beyond, lines are a smear and the page a crawl.
const SERIES_AT_FIRST = 50;
const SERIES_AT_MOST = 500;
const EXEMPLARS_LISTED = 20;

export async function loadGraph(panel: PanelState, nowMs: number, stop: AbortSignal): Promise<GraphAnswer> {
  const grid = graphGrid(panel, nowMs);
  const [reply, exemplars] = await Promise.all([
    api.largeQueryRange({ query: panel.expr, ...grid }, stop),
    panel.exemplars ? queryApi.exemplars(panel.expr, grid, stop).then((answer) => answer.data) : [],
  ]);
  return { reply, grid, exemplars };
}

function Exemplars({ exemplars }: { readonly exemplars: readonly SeriesExemplars[] }) {
  const all = exemplars.flatMap((one) => one.exemplars).sort((a, b) => b.timestamp - a.timestamp);
  const language = locale.value;
  return (
    <details class="exemplars">
      <summary>{t("query.exemplars.count", { count: formatNumber(all.length, language, 0) })}</summary>
      <ul>
        {all.slice(0, EXEMPLARS_LISTED).map((one, index) => (
          <li key={index}>
            <span class="num muted">{formatInstant(one.timestamp * 1000, language)}</span>
            <b class="num">{formatRaw(one.value)}</b>
            <code>{Object.entries(one.labels).map(([name, value]) => `${name}=${value}`).join(" ")}</code>
          </li>
        ))}
      </ul>
    </details>
  );
}

interface Props {
  readonly answer: GraphAnswer;
  readonly panel: PanelState;
  readonly onZoom: (fromS: number, toS: number) => void;
}

export function GraphResult({ answer, panel, onZoom }: Props) {
  const [limit, setLimit] = useState(SERIES_AT_FIRST);
  const language = locale.value;
  const isHeat = panel.display === "heatmap";
  const texts = { reset: t("chart.mark.reset"), end: t("chart.mark.end"), exemplar: t("chart.mark.exemplar") };
  const data = useMemo(() => graphData(answer, isHeat ? 0 : limit, texts), [answer, limit, isHeat, language]);
  const heat = useMemo(() => (isHeat ? heatData(answer, limit) : null), [answer, limit, isHeat]);
  const { frames, histograms } = answer.reply.data.kind === "matrix" ? answer.reply.data : { frames: [], histograms: [] };
  const look: ChartLook = { unit: "short", stacked: panel.display === "stacked", floor: 0, fitted: !panel.fromZero && !panel.exemplars && panel.display === "lines" };
  if (frames.length === 0) return <NoData height={280} text={t("query.empty")} />;
  return (
    <div class="graph-result">
      {heat !== null && <HeatmapChart title={panel.expr} heat={heat} height={320} onZoom={onZoom} />}
      {heat === null && <Chart id="query" title={panel.expr} data={data} look={look} height={320} onZoom={onZoom} />}
      {heat === null && histograms.length > 0 && <p class="notice">{t("query.histogramHint")}</p>}
      {panel.exemplars && <Exemplars exemplars={answer.exemplars} />}
      {heat === null && frames.length > data.series.length && (
        <p class="notice">
          {t("query.truncated", { shown: formatNumber(data.series.length, language, 0), total: formatNumber(frames.length, language, 0) })}{" "}
          {limit < SERIES_AT_MOST && (
            <button type="button" class="link-button" onClick={() => setLimit(SERIES_AT_MOST)}>
              {t("query.showMore", { count: formatNumber(Math.min(frames.length, SERIES_AT_MOST), language, 0) })}
            </button>
          )}
        </p>
      )}
    </div>
  );
}
