// A card with one chart that loads itself: title, state and the chart of a panel's queries.
import { useMemo } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import type { Grid } from "../../lib/timeRange";
import { ErrorNote, NoData, Skeleton, Stale } from "../States";
import { Chart } from "./Chart";
import type { ChartLook } from "./model";
import { buildChart, fetchFrames, type PanelQuery } from "./panel";

const HEIGHT = 208;

interface Props {
  readonly id: string;
  readonly title: string;
  readonly note?: string;
  readonly look: ChartLook;
  readonly queries: () => readonly PanelQuery[];
  readonly grid: Grid;
  /** Same while only time moves: a change forgets the old answer. */
  readonly subject: string;
  readonly tick: number;
  /** Charts with one key share their cursor. */
  readonly syncKey: string;
  readonly onZoom: (fromS: number, toS: number) => void;
}

export function ChartCard({ id, title, note, look, queries, grid, subject, tick, syncKey, onZoom }: Props) {
  const { state } = useLoad(`${id} ${subject}`, tick, async (stop) => {
    const asked = queries();
    const answers = await fetchFrames(
      asked.map((query) => query.expr),
      grid,
      stop,
    );
    return { asked, answers, grid };
  });
  const loaded = lastGood(state);
  const language = locale.value;
  const data = useMemo(() => (loaded === undefined ? null : buildChart(loaded.asked, loaded.answers, loaded.grid)), [loaded, language]);
  return (
    <section class="card chart-card" aria-label={title}>
      <header class="card-head">
        <h3>{title}</h3>
        {state.kind === "failed" && data !== null && <Stale error={state.error} />}
        {note !== undefined && <span class="card-note">{note}</span>}
      </header>
      {state.kind === "loading" && <Skeleton height={HEIGHT + 28} />}
      {state.kind === "failed" && data === null && <ErrorNote error={state.error} />}
      {data !== null && data.series.length === 0 && <NoData height={HEIGHT + 28} />}
      {data !== null && data.series.length > 0 && <Chart id={id} title={title} data={data} look={look} height={HEIGHT} syncKey={syncKey} onZoom={onZoom} />}
    </section>
  );
}
