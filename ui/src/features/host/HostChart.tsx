// One chart card of the host page.
import { useMemo } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import { Chart } from "../../components/chart/Chart";
import { ErrorNote, NoData, Skeleton, Stale } from "../../components/States";
import { t } from "../../i18n";
import { buildChart, fetchFrames } from "./load";
import type { PanelSpec } from "./panels";
import type { HostScope } from "./scope";

const HEIGHT = 208;

interface Props {
  readonly spec: PanelSpec;
  readonly scope: HostScope;
  /** Same while only time moves: a change forgets the old answer. */
  readonly subject: string;
  readonly tick: number;
  readonly onZoom: (fromS: number, toS: number) => void;
}

export function HostChart({ spec, scope, subject, tick, onZoom }: Props) {
  const { state } = useLoad(`${spec.id} ${subject}`, tick, async (stop) => {
    const queries = spec.queries(scope);
    const answers = await fetchFrames(
      queries.map((query) => query.expr),
      scope.grid,
      stop,
    );
    return { queries, answers, grid: scope.grid };
  });
  const loaded = lastGood(state);
  const language = locale.value;
  const data = useMemo(() => (loaded === undefined ? null : buildChart(loaded.queries, loaded.answers, loaded.grid)), [loaded, language]);
  const title = t(spec.title);
  return (
    <section class="card chart-card" aria-label={title}>
      <header class="card-head">
        <h3>{title}</h3>
        {state.kind === "failed" && data !== null && <Stale error={state.error} />}
        {spec.note !== undefined && <span class="card-note">{t(spec.note)}</span>}
      </header>
      {state.kind === "loading" && <Skeleton height={HEIGHT + 28} />}
      {state.kind === "failed" && data === null && <ErrorNote error={state.error} />}
      {data !== null && data.series.length === 0 && <NoData height={HEIGHT + 28} />}
      {data !== null && data.series.length > 0 && (
        <Chart id={spec.id} title={title} data={data} look={spec.look} height={HEIGHT} syncKey="host" onZoom={onZoom} />
      )}
    </section>
  );
}
