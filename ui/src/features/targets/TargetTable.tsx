// The targets of one pool.
import type { Health, Target } from "../../api/types";
import { locale } from "../../app/settings";
import { Icon } from "../../components/Icon";
import { VirtualTable } from "../../components/VirtualRows";
import { t } from "../../i18n";
import { parseDuration } from "../../lib/duration";
import { formatSpan, formatUnit } from "../../lib/format";
import { type Pool, scrapeAge } from "./targetView";

const STATUS = { up: "ok", down: "bad", unknown: "none" } as const;
// Only addresses that a browser may follow become links.
const LINKABLE = /^https?:\/\//;

export function HealthBadge({ health }: { readonly health: Health }) {
  return (
    <span class={`badge is-${STATUS[health]}`} data-health={health}>
      <span class="dot" aria-hidden="true" />
      {t(`targets.health.${health}`)}
    </span>
  );
}

function TargetCells({ target, nowMs }: { readonly target: Target; readonly nowMs: number }) {
  const language = locale.value;
  const age = scrapeAge(target, nowMs);
  const interval = parseDuration(target.scrapeInterval);
  const labels = Object.entries(target.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    <>
      <td class="target-endpoint">
        {LINKABLE.test(target.scrapeUrl) ? (
          <a class="mono" href={target.scrapeUrl} rel="noreferrer noopener" target="_blank">
            {target.scrapeUrl}
          </a>
        ) : (
          <span class="mono">{target.scrapeUrl}</span>
        )}
        {target.lastError !== "" && (
          <p class="target-error">
            <Icon name="alert" />
            <span>{target.lastError}</span>
          </p>
        )}
      </td>
      <td>
        <HealthBadge health={target.health} />
      </td>
      <td>
        <ul class="label-chips">
          {labels.map(([name, value]) => (
            <li key={name} class="mono">
              <i>{name}</i>="{value}"
            </li>
          ))}
        </ul>
      </td>
      <td class="num">
        {age === null ? t("targets.never") : t("targets.ago", { span: formatSpan(age, language) })}
        {interval !== null && interval > 0 && <small>{t("targets.interval", { span: formatSpan(interval / 1000, language) })}</small>}
      </td>
      <td class="num">{age === null ? "–" : formatUnit(target.lastScrapeDuration, "seconds", language)}</td>
    </>
  );
}

interface Props {
  readonly pool: Pool;
  /** What was searched for: other targets begin at the top. */
  readonly subject: string;
  readonly nowMs: number;
  readonly open: boolean;
  readonly onToggle: (open: boolean) => void;
}

export function TargetTable({ pool, subject, nowMs, open, onToggle }: Props) {
  const sick = pool.up < pool.total;
  return (
    <details class="card pool" open={open} data-pool={pool.name} onToggle={(event) => onToggle(event.currentTarget.open)}>
      <summary>
        <Icon name="chevron" />
        <h2>{pool.name}</h2>
        <span class={`badge is-${sick ? "bad" : "ok"}`}>
          {pool.up} / {pool.total} {t("targets.health.up")}
        </span>
      </summary>
      <VirtualTable
        label={pool.name}
        tableClass="target-table"
        name={`targets-${pool.name}`}
        columns={5}
        cols={
          <>
            <col class="col-endpoint" />
            <col class="col-health" />
            <col />
            <col class="col-scrape" />
            <col class="col-duration" />
          </>
        }
        head={
          <tr>
            <th scope="col">{t("targets.endpoint")}</th>
            <th scope="col">{t("targets.health")}</th>
            <th scope="col">{t("targets.labels")}</th>
            <th scope="col" class="num">
              {t("targets.lastScrape")}
            </th>
            <th scope="col" class="num">
              {t("targets.duration")}
            </th>
          </tr>
        }
        rows={pool.targets}
        row={(target) => <TargetCells target={target} nowMs={nowMs} />}
        subject={subject}
      />
    </details>
  );
}
