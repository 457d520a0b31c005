// One chart card of the host page.
import { ChartCard } from "../../components/chart/ChartCard";
import { t } from "../../i18n";
import type { PanelSpec } from "./panels";
import type { HostScope } from "./scope";

interface Props {
  readonly spec: PanelSpec;
  readonly scope: HostScope;
  readonly subject: string;
  readonly tick: number;
  readonly onZoom: (fromS: number, toS: number) => void;
}

export function HostChart({ spec, scope, subject, tick, onZoom }: Props) {
  const note = spec.note === undefined ? {} : { note: t(spec.note) };
  return <ChartCard id={spec.id} title={t(spec.title)} {...note} look={spec.look} queries={() => spec.queries(scope)} grid={scope.grid} subject={subject} tick={tick} syncKey="host" onZoom={onZoom} />;
}
