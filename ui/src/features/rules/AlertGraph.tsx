// What an alert looks at: its expression, or both sides of its comparison, around the time it has to hold; and a
// replay of the past.
import { useMemo, useState } from "preact/hooks";
import { api, serverNow } from "../../api/client";
import { lastGood, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import { Chart } from "../../components/chart/Chart";
import { type ChartData, seriesColor } from "../../components/chart/model";
import { ErrorNote, NoData, Skeleton } from "../../components/States";
import { plural, t } from "../../i18n";
import { formatNumber, formatSpan } from "../../lib/format";
import { gridTimes, toColumn } from "../../lib/frames";
import { formatInstant } from "../../lib/time";
import { chooseStep, type Grid } from "../../lib/timeRange";
import { metricText } from "../query/metricText";
import { queryApi } from "../query/queryApi";
import type { Rule } from "./rulesApi";
import { backtest, type Threshold, thresholdOf } from "./ruleView";

const SERIES_DRAWN = 20;
const POINTS = 240;
const LEAST_WINDOW_S = 900;
const DAY_S = 86_400;

/** The time shown: enough to see the hold time begin and end. */
function windowOf(rule: Rule, nowMs: number): Grid {
  const lengthS = Math.max(LEAST_WINDOW_S, rule.duration * 4);
  const stepS = chooseStep(lengthS * 1000, POINTS, 1);
  const endS = Math.floor(nowMs / 1000 / stepS) * stepS;
  return { startS: endS - Math.floor(lengthS / stepS) * stepS, endS, stepS };
}

interface Looked {
  readonly data: ChartData;
  readonly threshold: Threshold | null;
}

async function look(rule: Rule, grid: Grid, stop: AbortSignal): Promise<Looked> {
  // Another server cannot explain: then the expression is drawn as it is.
  const plan = await queryApi.estimate(rule.query, stop).catch(() => null);
  const threshold = plan === null ? null : thresholdOf(plan.data.nodes);
  const { data } = await api.largeQueryRange({ query: threshold?.expr ?? rule.query, ...grid }, stop);
  const times = gridTimes(grid);
  const frames = data.kind === "matrix" ? data.frames.slice(0, SERIES_DRAWN) : [];
  const series = frames.map((frame, index) => {
    const name = metricText(frame.labels);
    return { id: name, name, color: seriesColor(index), values: toColumn(frame, grid, times.length) };
  });
  const line = threshold === null ? [] : [{ id: "threshold", name: `${threshold.op} ${threshold.value}`, color: "--bad", values: times.map(() => threshold.value), reference: true }];
  return { data: { times, series: [...series, ...line] }, threshold };
}

function Backtest({ rule, intervalS }: { readonly rule: Rule; readonly intervalS: number }) {
  const [days, setDays] = useState<number | null>(null);
  const [nowMs] = useState(serverNow);
  const language = locale.value;
  const { state } = useLoad(days === null ? null : `backtest ${rule.query} ${days}`, 0, async (stop) => {
    const lengthS = (days ?? 1) * DAY_S;
    // The group's own rhythm, unless that is more points than the server gives.
    const stepS = Math.max(1, Math.ceil(intervalS), Math.ceil(lengthS / 11_000));
    const endS = Math.floor(nowMs / 1000);
    const { data } = await api.largeQueryRange({ query: rule.query, startS: endS - lengthS, endS, stepS }, stop);
    return backtest(data.kind === "matrix" ? data.frames : [], stepS, rule.duration, rule.keepFiringFor);
  });
  const episodes = days === null ? undefined : lastGood(state);
  return (
    <div class="backtest">
      <div class="backtest-ask" role="group" aria-label={t("alert.backtest")}>
        <span class="muted">{t("alert.backtest")}</span>
        {[1, 7].map((choice) => (
          <button key={choice} type="button" class="chip" aria-pressed={days === choice} onClick={() => setDays(choice)}>
            {t("range.live", { span: formatSpan(choice * DAY_S, language) })}
          </button>
        ))}
      </div>
      {days !== null && state.kind === "loading" && <Skeleton height={40} />}
      {days !== null && state.kind === "failed" && <ErrorNote error={state.error} />}
      {episodes !== undefined && <p aria-live="polite">{plural("alert.backtest.one", "alert.backtest.other", episodes.length, formatNumber(episodes.length, language, 0))}</p>}
      <ul>
        {(episodes ?? []).slice(0, 10).map((one) => (
          <li key={`${one.name} ${one.firedS}`}>
            <span class="num">{formatInstant(one.firedS * 1000, language)}</span> <span class="badge">{formatSpan(one.endS - one.firedS, language)}</span> <code>{one.name}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function AlertGraph({ rule, intervalS, nowMs }: { readonly rule: Rule; readonly intervalS: number; readonly nowMs: number }) {
  const grid = useMemo(() => windowOf(rule, nowMs), [rule.duration, nowMs]);
  const { state } = useLoad(`graph ${rule.query}`, grid.endS, (stop) => look(rule, grid, stop));
  const looked = lastGood(state);
  return (
    <div class="alert-graph">
      {state.kind === "loading" && <Skeleton height={200} />}
      {state.kind === "failed" && looked === undefined && <ErrorNote error={state.error} />}
      {looked !== undefined && looked.data.series.length === 0 && <NoData height={100} text={t("alert.quiet")} />}
      {looked !== undefined && looked.data.series.length > 0 && <Chart id={`alert-${rule.name}`} title={rule.name} data={looked.data} look={{ unit: "short", stacked: false, floor: 0, fitted: looked.threshold === null }} height={200} />}
      <Backtest rule={rule} intervalS={intervalS} />
    </div>
  );
}
