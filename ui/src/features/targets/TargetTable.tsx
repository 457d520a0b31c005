// The targets of one pool.
import { useState } from "preact/hooks";
import type { Health, Target } from "../../api/types";
import { locale } from "../../app/settings";
import { Icon } from "../../components/Icon";
import { t } from "../../i18n";
import { parseDuration } from "../../lib/duration";
import { formatNumber, formatSpan, formatUnit } from "../../lib/format";
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

function TargetRow({ target, nowMs }: { readonly target: Target; readonly nowMs: number }) {
  const language = locale.value;
  const age = scrapeAge(target, nowMs);
  const interval = parseDuration(target.scrapeInterval);
  const labels = Object.entries(target.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    <tr>
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
    </tr>
  );
}

interface Props {
  readonly pool: Pool;
  readonly nowMs: number;
  readonly open: boolean;
  readonly onToggle: (open: boolean) => void;
}

// A pool of thousands is searched, not read; drawing all of it on every refresh would only stall the page.
const ROWS_AT_FIRST = 200;

export function TargetTable({ pool, nowMs, open, onToggle }: Props) {
  const [all, setAll] = useState(false);
  const shown = all ? pool.targets : pool.targets.slice(0, ROWS_AT_FIRST);
  const language = locale.value;
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
      <div class="table-scroll" tabIndex={0} role="region" aria-label={pool.name}>
        <table class="table target-table">
          <colgroup>
            <col class="col-endpoint" />
            <col class="col-health" />
            <col />
            <col class="col-scrape" />
            <col class="col-duration" />
          </colgroup>
          <thead>
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
          </thead>
          <tbody>
            {shown.map((target) => (
              <TargetRow key={`${target.scrapeUrl} ${JSON.stringify(target.labels)}`} target={target} nowMs={nowMs} />
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < pool.targets.length && (
        <p class="notice">
          {t("query.truncated", { shown: formatNumber(shown.length, language, 0), total: formatNumber(pool.targets.length, language, 0) })}{" "}
          <button type="button" class="link-button" onClick={() => setAll(true)}>
            {t("query.showMore", { count: formatNumber(pool.targets.length, language, 0) })}
          </button>
        </p>
      )}
    </details>
  );
}
