// One container: what it is, and its charts.
import { locale } from "../../app/settings";
import { ChartCard } from "../../components/chart/ChartCard";
import { Facts } from "../../components/Facts";
import { Icon } from "../../components/Icon";
import { NoData } from "../../components/States";
import { t } from "../../i18n";
import { formatSpan, formatUnit, NO_VALUE } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import type { Grid } from "../../lib/timeRange";
import { cpuText, EventBadges } from "./ContainerTable";
import type { Container } from "./containers";
import { DETAIL_PANELS } from "./detailPanels";
import type { GroupName } from "./queries";

interface Props {
  readonly group: GroupName;
  /** `undefined` once it is gone: its past is still there to see. */
  readonly container: Container | undefined;
  readonly back: string;
  readonly grid: Grid;
  readonly window: string;
  readonly subject: string;
  readonly nowMs: number;
  readonly onZoom: (fromS: number, toS: number) => void;
}

function ContainerFacts({ container, nowMs }: { readonly container: Container; readonly nowMs: number }) {
  const language = locale.value;
  const { startedS } = container;
  const bytes = (value: number | null): string => formatUnit(value, "bytes", language);
  const limited = (used: string, limit: string | null): string => (limit === null ? `${used} (${t("container.unlimited")})` : t("container.usedOf", { used, limit }));
  const named = [
    [t("container.by.pod"), container.pod],
    [t("container.by.namespace"), container.namespace],
    [t("container.by.image"), container.image],
  ].filter(([, value]) => value !== "") as [string, string][];
  return (
    <Facts
      rows={[
        ...named.map(([title, value]) => [title, <span key={title} class="mono">{value}</span>] as const),
        [t("container.by.instance"), <span key="i" class="mono">{container.instance}</span>],
        [t("container.cgroup"), <code key="g">{container.id}</code>],
        [t("container.started"), startedS === null ? NO_VALUE : `${formatInstant(startedS * 1000, language)} (${t("targets.ago", { span: formatSpan(Math.max(0, nowMs / 1000 - startedS), language) })})`],
        [t("container.cpu"), limited(cpuText(container.cpu), container.cpuLimit === null ? null : cpuText(container.cpuLimit))],
        [t("tile.memory"), limited(bytes(container.memory), container.memoryLimit === null ? null : bytes(container.memoryLimit))],
      ]}
    />
  );
}

export function ContainerDetail({ group, container, back, grid, window, subject, nowMs, onZoom }: Props) {
  const network = { ...group, id: container?.networkId ?? group.id };
  return (
    <div class="host-body" data-detail={container?.name ?? ""}>
      <p>
        <a class="button" href={back}>
          <Icon name="left" />
          {t("container.all")}
        </a>{" "}
        {container !== undefined && <EventBadges container={container} />}
      </p>
      <section class="card">{container === undefined ? <NoData height={60} text={t("container.gone")} /> : <ContainerFacts container={container} nowMs={nowMs} />}</section>
      <div class="chart-grid">
        {/* Without a limit nothing is held back: that chart could only be empty. */}
        {DETAIL_PANELS.filter((panel) => panel.id !== "c-throttled" || container === undefined || container.cpuLimit !== null).map((panel) => {
          const note = panel.note === undefined ? {} : { note: t(panel.note) };
          return <ChartCard key={panel.id} id={panel.id} title={t(panel.title)} {...note} look={panel.look} queries={() => panel.queries(group, network, window)} grid={grid} subject={`${subject} ${network.id}`} tick={nowMs} syncKey="container" onZoom={onZoom} />;
        })}
      </div>
    </div>
  );
}
