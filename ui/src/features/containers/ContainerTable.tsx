// The list of containers: what each uses of what it may, sorted by any column, grouped by what they belong to.
import { Fragment } from "preact";
import { useState } from "preact/hooks";
import { locale } from "../../app/settings";
import { Sparkline } from "../../components/chart/Sparkline";
import { Icon } from "../../components/Icon";
import { Meter } from "../../components/Meter";
import { plural, t, type PlainKey } from "../../i18n";
import { formatNumber, formatSpan, formatUnit, NO_VALUE } from "../../lib/format";
import type { Column } from "../../lib/frames";
import { formatInstant } from "../../lib/time";
import { statusOf } from "../host/tiles";
import type { Container, ContainerGroup, Grouping, Sort } from "./containers";

// More are searched, not read.
const ROWS_AT_FIRST = 100;
const LIMITS = { warn: 0.85, bad: 0.95 };

export const COLUMNS: readonly { readonly sort: Sort; readonly title: PlainKey }[] = [
  { sort: "name", title: "container.name" },
  { sort: "cpu", title: "container.cpu" },
  { sort: "memory", title: "tile.memory" },
  { sort: "network", title: "tile.network" },
  { sort: "disk", title: "tile.io" },
  { sort: "started", title: "container.started" },
  { sort: "events", title: "container.events" },
];

export function cpuText(cpus: number | null): string {
  return cpus === null ? NO_VALUE : formatNumber(cpus, locale.value, cpus < 0.1 ? 3 : 2);
}

/** A value with a bar against its limit, or bare when there is none. */
function Used({ value, limit, text, label }: { readonly value: number | null; readonly limit: number | null; readonly text: (value: number | null) => string; readonly label: string }) {
  if (value === null || limit === null) return <span class="num">{text(value)}</span>;
  return (
    <span class="used">
      <Meter ratio={value / limit} status={statusOf(value / limit, LIMITS)} label={label} text={text(value)} />
      <small class="muted num">{t("container.of", { limit: text(limit) })}</small>
    </span>
  );
}

/** Two directions of one traffic. */
function Flow({ first, second, names }: { readonly first: number | null; readonly second: number | null; readonly names: readonly [PlainKey, PlainKey] }) {
  if (first === null && second === null) return <span class="muted">{NO_VALUE}</span>;
  return (
    <span class="flow num">
      {[first, second].map((value, index) => (
        <span key={index} title={t(names[index === 0 ? 0 : 1])}>
          <i aria-hidden="true">{index === 0 ? "↓" : "↑"}</i>
          <span class="visually-hidden">{t(names[index === 0 ? 0 : 1])} </span>
          {formatUnit(value, "bytes/s", locale.value)}
        </span>
      ))}
    </span>
  );
}

export function EventBadges({ container }: { readonly container: Container }) {
  const { oomKills, restarts, throttled } = container;
  const count = (value: number): string => formatNumber(value, locale.value, 0);
  return (
    <span class="event-badges">
      {oomKills > 0 && <span class="badge is-bad">{plural("container.oom.one", "container.oom.other", oomKills, count(oomKills))}</span>}
      {restarts > 0 && <span class="badge is-warn">{plural("container.restarts.one", "container.restarts.other", restarts, count(restarts))}</span>}
      {throttled !== null && throttled >= 0.01 && (
        <span class={`badge ${throttled >= 0.25 ? "is-warn" : ""}`} title={t("container.panel.throttled.note")}>
          {t("container.throttled", { share: formatUnit(throttled, "ratio", locale.value, 0) })}
        </span>
      )}
    </span>
  );
}

interface RowProps {
  readonly container: Container;
  readonly nowMs: number;
  readonly spark: Column | undefined;
  readonly link: (key: string) => string;
  readonly showInstance: boolean;
}

function Row({ container, nowMs, spark, link, showInstance }: RowProps) {
  const language = locale.value;
  const { name, pod, namespace, image, startedS } = container;
  const place = [pod === "" ? "" : `${namespace}/${pod}`, image, showInstance ? container.instance : ""].filter((text) => text !== "");
  const bytes = (value: number | null): string => formatUnit(value, "bytes", language);
  return (
    <tr data-container={name}>
      <th scope="row" class="container-name">
        <a href={link(container.key)}>{name}</a>
        <small class="muted" title={place.join("\n")}>
          {place.join(" · ") || container.id}
        </small>
      </th>
      <td data-label={t("container.cpu")}>
        <span class="with-spark">
          <Used value={container.cpu} limit={container.cpuLimit} text={cpuText} label={`${t("container.cpu")} ${name}`} />
          {spark !== undefined && <Sparkline values={spark} floor={0.01} />}
        </span>
      </td>
      <td data-label={t("tile.memory")}>
        <Used value={container.memory} limit={container.memoryLimit} text={bytes} label={`${t("tile.memory")} ${name}`} />
      </td>
      <td data-label={t("tile.network")}>
        <Flow first={container.received} second={container.sent} names={["container.received", "container.sent"]} />
      </td>
      <td data-label={t("tile.io")}>
        <Flow first={container.read} second={container.written} names={["container.read", "container.written"]} />
      </td>
      <td data-label={t("container.started")} class="num" title={startedS === null ? "" : formatInstant(startedS * 1000, language)}>
        {startedS === null ? NO_VALUE : t("targets.ago", { span: formatSpan(Math.max(0, nowMs / 1000 - startedS), language) })}
      </td>
      <td data-label={t("container.events")}>
        <EventBadges container={container} />
      </td>
    </tr>
  );
}

function GroupHead({ group, by }: { readonly group: ContainerGroup; readonly by: Grouping }) {
  const language = locale.value;
  const { totals, containers } = group;
  return (
    <tr class="group-row" data-group={group.name}>
      <th scope="rowgroup" colSpan={COLUMNS.length}>
        <b>{group.name === "" ? t("container.ungrouped", { by: t(`container.by.${by}`) }) : group.name}</b>
        <span class="muted num">
          {plural("container.count.one", "container.count.other", containers.length, formatNumber(containers.length, language, 0))} · {t("container.cpus", { count: cpuText(totals.cpu) })} · {formatUnit(totals.memory, "bytes", language)} ·{" "}
          {formatUnit(totals.received + totals.sent, "bytes/s", language)}
        </span>
      </th>
    </tr>
  );
}

interface Props {
  readonly groups: readonly ContainerGroup[];
  readonly by: Grouping;
  readonly sort: Sort;
  readonly reversed: boolean;
  readonly onSort: (sort: Sort) => void;
  readonly nowMs: number;
  readonly sparks: ReadonlyMap<string, Column>;
  readonly link: (key: string) => string;
  readonly showInstance: boolean;
}

export function ContainerTable({ groups, by, sort, reversed, onSort, nowMs, sparks, link, showInstance }: Props) {
  const [all, setAll] = useState(false);
  const language = locale.value;
  const total = groups.reduce((sum, group) => sum + group.containers.length, 0);
  let left = all ? total : ROWS_AT_FIRST;
  return (
    <section class="card">
      <div class="table-scroll" tabIndex={0} role="region" aria-label={t("nav.containers")}>
        <table class="table container-table" data-table="containers">
          <thead>
            <tr>
              {COLUMNS.map((column) => (
                <th key={column.sort} scope="col" aria-sort={sort !== column.sort ? "none" : reversed === (column.sort === "name") ? "descending" : "ascending"}>
                  <button type="button" class="sort-button" onClick={() => onSort(column.sort)}>
                    {t(column.title)}
                    {sort === column.sort && <Icon name="chevron" />}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {groups.map((group) => {
              const shown = group.containers.slice(0, Math.max(0, left));
              left -= shown.length;
              if (shown.length === 0) return null;
              return (
                <Fragment key={group.name}>
                  {by !== "none" && <GroupHead group={group} by={by} />}
                  {shown.map((container) => (
                    <Row key={container.key} container={container} nowMs={nowMs} spark={sparks.get(container.key)} link={link} showInstance={showInstance} />
                  ))}
                </Fragment>
              );
            })}
          </tbody>
        </table>
      </div>
      {!all && total > ROWS_AT_FIRST && (
        <p class="notice">
          {t("query.truncated", { shown: formatNumber(ROWS_AT_FIRST, language, 0), total: formatNumber(total, language, 0) })}{" "}
          <button type="button" class="link-button" onClick={() => setAll(true)}>
            {t("query.showMore", { count: formatNumber(total, language, 0) })}
          </button>
        </p>
      )}
    </section>
  );
}
