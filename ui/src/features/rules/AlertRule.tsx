// One alerting rule: closed, its state; open, its definition, its graph and its alerts.
import { useState } from "preact/hooks";
import { href } from "../../app/router";
import { locale } from "../../app/settings";
import { Annotations } from "../../components/Annotations";
import { Icon } from "../../components/Icon";
import { LabelChips } from "../../components/LabelChips";
import { t } from "../../i18n";
import { formatNumber, formatRaw, formatSpan } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import { NEW_PANEL, writePanels } from "../query/queryUrl";
import { AlertGraph } from "./AlertGraph";
import type { ActiveAlert, Rule } from "./rulesApi";
import { instantOf } from "./ruleView";
import { StateBadge } from "./StateBadge";

// A rule that fires thousands of times is one problem, not a page of thousands of rows.
const ALERTS_AT_FIRST = 50;

/** Returns the address of the query page with an expression. */
export function queryLink(expr: string): string {
  return href("query", writePanels([{ ...NEW_PANEL, expr, tab: "graph" }]));
}

function AlertRow({ alert, nowMs }: { readonly alert: ActiveAlert; readonly nowMs: number }) {
  const since = instantOf(alert.activeAt);
  return (
    <li class="alert-row" data-alert={alert.state}>
      <div class="alert-line">
        <StateBadge state={alert.state} />
        <LabelChips labels={alert.labels} skip={["alertname"]} />
        <span class="num alert-value" title={`${t("query.value")}: ${formatRaw(Number(alert.value))}`}>
          {formatNumber(Number(alert.value), locale.value)}
        </span>
        {since !== null && (
          <span class="num muted" title={formatInstant(since, locale.value)}>
            {t("alert.since", { span: formatSpan((nowMs - since) / 1000, locale.value) })}
          </span>
        )}
      </div>
      <Annotations annotations={alert.annotations} />
    </li>
  );
}

interface Props {
  readonly rule: Rule;
  readonly intervalS: number;
  readonly nowMs: number;
}

function RuleBody({ rule, intervalS, nowMs }: Props) {
  const [all, setAll] = useState(false);
  const shown = all ? rule.alerts : rule.alerts.slice(0, ALERTS_AT_FIRST);
  return (
    <div class="rule-body">
      <a class="rule-expr mono" href={queryLink(rule.query)} title={t("rule.open")}>
        {rule.query}
      </a>
      <dl class="rule-facts">
        <div>
          <dt>{t("alert.for")}</dt>
          <dd class="num">{rule.duration === 0 ? t("alert.atOnce") : formatSpan(rule.duration, locale.value)}</dd>
        </div>
        {rule.keepFiringFor > 0 && (
          <div>
            <dt>{t("alert.keep")}</dt>
            <dd class="num">{formatSpan(rule.keepFiringFor, locale.value)}</dd>
          </div>
        )}
        {Object.keys(rule.labels).length > 0 && (
          <div>
            <dt>{t("targets.labels")}</dt>
            <dd>
              <LabelChips labels={rule.labels} />
            </dd>
          </div>
        )}
      </dl>
      {rule.lastError !== "" && (
        <p class="target-error">
          <Icon name="alert" />
          <span>{rule.lastError}</span>
        </p>
      )}
      <AlertGraph rule={rule} intervalS={intervalS} nowMs={nowMs} />
      {shown.length > 0 && (
        <ul class="alert-rows">
          {shown.map((alert) => (
            <AlertRow key={JSON.stringify(alert.labels)} alert={alert} nowMs={nowMs} />
          ))}
        </ul>
      )}
      {shown.length < rule.alerts.length && (
        <button type="button" class="link-button" onClick={() => setAll(true)}>
          {t("query.showMore", { count: formatNumber(rule.alerts.length, locale.value, 0) })}
        </button>
      )}
    </div>
  );
}

export function AlertRule({ rule, intervalS, nowMs }: Props) {
  const [open, setOpen] = useState(false);
  const summary = rule.alerts[0]?.annotations["summary"] ?? "";
  return (
    <details class="alert-rule" data-rule={rule.name} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Icon name="chevron" />
        <StateBadge state={rule.state} />
        <h3>{rule.name}</h3>
        {rule.alerts.length > 0 && <span class="badge num">{formatNumber(rule.alerts.length, locale.value, 0)}</span>}
        {rule.health === "err" && <span class="badge is-bad">{t("rule.health.err")}</span>}
        <span class="alert-summary muted">{summary}</span>
      </summary>
      {open && <RuleBody rule={rule} intervalS={intervalS} nowMs={nowMs} />}
    </details>
  );
}
