// The graph tab: the series of a query over time.
import { useMemo, useState } from "preact/hooks";
import { api, type Reply } from "../../api/client";
import type { QueryResult } from "../../api/types";
import { locale } from "../../app/settings";
import { Chart } from "../../components/chart/Chart";
import { type ChartData, type ChartLook, seriesColor } from "../../components/chart/model";
import { NoData } from "../../components/States";
import { t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { gridTimes, toColumn } from "../../lib/frames";
import { chooseStep, type Grid } from "../../lib/timeRange";
import { metricText } from "./metricText";
import type { PanelState } from "./queryUrl";

// Beyond, lines are a smear and the page a crawl.
const SERIES_AT_FIRST = 50;
const SERIES_AT_MOST = 500;
const POINTS = 300;
// The server refuses more than 11,000 points a series.
const MAX_POINTS = 11_000;

export interface GraphAnswer {
  readonly reply: Reply<QueryResult>;
  readonly grid: Grid;
}

/** Returns the grid of a panel; a step too fine for the server's limit is raised to it. */
export function graphGrid(panel: PanelState, nowMs: number): Grid {
  const endS = Math.floor((panel.endMs ?? nowMs) / 1000);
  const rangeS = panel.rangeMs / 1000;
  const stepS = Math.max(panel.stepS ?? chooseStep(panel.rangeMs, POINTS, 1), Math.ceil(rangeS / MAX_POINTS));
  return { startS: endS - Math.floor(rangeS / stepS) * stepS, endS, stepS };
}

export async function loadGraph(panel: PanelState, nowMs: number, stop: AbortSignal): Promise<GraphAnswer> {
  const grid = graphGrid(panel, nowMs);
  return { reply: await api.queryRange({ query: panel.expr, ...grid }, stop), grid };
}

/** Lays an answer out for the chart. */
export function graphData(answer: GraphAnswer, limit: number): ChartData {
  const times = gridTimes(answer.grid);
  const frames = answer.reply.data.kind === "matrix" ? answer.reply.data.frames : [];
  return {
    times,
    series: frames.slice(0, limit).map((frame, index) => {
      const name = metricText(frame.labels);
      return { id: name, name, color: seriesColor(index), values: toColumn(frame, answer.grid, times.length) };
    }),
  };
}

interface Props {
  readonly answer: GraphAnswer;
  readonly panel: PanelState;
  readonly onZoom: (fromS: number, toS: number) => void;
}

export function GraphResult({ answer, panel, onZoom }: Props) {
  const [limit, setLimit] = useState(SERIES_AT_FIRST);
  const data = useMemo(() => graphData(answer, limit), [answer, limit]);
  const total = answer.reply.data.kind === "matrix" ? answer.reply.data.frames.length : 0;
  const look: ChartLook = { unit: "short", stacked: panel.display === "stacked", floor: 0, fitted: !panel.fromZero && panel.display === "lines" };
  const language = locale.value;
  if (data.series.length === 0) return <NoData height={280} text={t("query.empty")} />;
  return (
    <div class="graph-result">
      <Chart id="query" title={panel.expr} data={data} look={look} height={320} onZoom={onZoom} />
      {total > data.series.length && (
        <p class="notice">
          {t("query.truncated", { shown: formatNumber(data.series.length, language, 0), total: formatNumber(total, language, 0) })}{" "}
          {limit < SERIES_AT_MOST && (
            <button type="button" class="link-button" onClick={() => setLimit(SERIES_AT_MOST)}>
              {t("query.showMore", { count: formatNumber(Math.min(total, SERIES_AT_MOST), language, 0) })}
            </button>
          )}
        </p>
      )}
    </div>
  );
}
