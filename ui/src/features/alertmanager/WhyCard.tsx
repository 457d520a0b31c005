// One alert: the reasons that hold now, the routes it takes, and its history.
import { useState } from "preact/hooks";
import { href } from "../../app/router";
import { locale } from "../../app/settings";
import { Icon } from "../../components/Icon";
import { LabelChips } from "../../components/LabelChips";
import { t } from "../../i18n";
import { formatNumber, formatSpan } from "../../lib/format";
import { formatClock, formatDay, formatInstant } from "../../lib/time";
import type { WhyAlert, WhyEvent, WhyRoute } from "./whyApi";
import { byDay, kindOf, OUTCOME_KINDS, type OutcomeKind } from "./whyView";

const EVENTS_AT_FIRST = 50;
const LOOKS: Readonly<Record<string, string>> = { sent: "ok", failed: "bad", silenced: "warn", inhibited: "warn", muted: "warn" };
const STATE_LOOKS: Readonly<Record<string, string>> = { active: "bad", suppressed: "warn", resolved: "ok" };
const STATE_TEXTS = { active: "am.active", suppressed: "why.suppressed", resolved: "why.resolved" } as const;

function spanTo(text: string, nowMs: number): string {
  return formatSpan(Math.abs(Date.parse(text) - nowMs) / 1000, locale.value);
}

function Reasons({ alert }: { readonly alert: WhyAlert }) {
  return (
    <ul class="reasons">
      {alert.silencedBy.map((id) => (
        <li key={id}>
          <Icon name="silence" />
          <span>
            {t("why.silenced")}{" "}
            <a class="mono" href={href("silence", new URLSearchParams({ id }))}>
              {id}
            </a>
          </span>
        </li>
      ))}
      {alert.inhibitedBy !== null && (
        <li>
          <Icon name="minus" />
          <span>{t("why.inhibited", { rule: alert.inhibitedBy.rule + 1, fingerprint: alert.inhibitedBy.fingerprint })}</span>
        </li>
      )}
      {alert.state === "resolved" && (
        <li class="is-over">
          <Icon name="check" />
          <span>{t("why.over")}</span>
        </li>
      )}
      {alert.routes.length === 0 && (
        <li>
          <Icon name="alert" />
          <span>{t("why.noRoute")}</span>
        </li>
      )}
    </ul>
  );
}

function Route({ route, nowMs }: { readonly route: WhyRoute; readonly nowMs: number }) {
  const language = locale.value;
  return (
    <li class="why-route" data-route={route.receiver}>
      <p class="alert-line">
        <span class="route-receiver">
          <Icon name="receiver" />
          <a href={href("notices", new URLSearchParams({ receiver: route.receiver }))}>{route.receiver}</a>
        </span>
        <code>{route.route}</code>
        {route.mutedBy.length > 0 && <span class="badge is-warn">{t("why.muted", { intervals: route.mutedBy.join(", ") })}</span>}
      </p>
      <ul class="plain-list">
        {route.told.map((one) => (
          <li key={one.integration}>
            <span class="badge is-ok">{one.integration}</span>{" "}
            <span title={formatInstant(Date.parse(one.at), language)}>{t("why.told", { span: spanTo(one.at, nowMs), firing: formatNumber(one.firing, language, 0), resolved: formatNumber(one.resolved, language, 0) })}</span>
            {one.repeats !== "" && <span class="muted"> {t("why.repeats", { at: formatInstant(Date.parse(one.repeats), language) })}</span>}
          </li>
        ))}
        {route.told.length === 0 && <li class="muted">{t("why.notTold")}</li>}
        {route.nextFlush !== "" && <li class="muted">{t(Date.parse(route.nextFlush) > nowMs ? "why.nextFlush" : "why.flushing", { span: spanTo(route.nextFlush, nowMs) })}</li>}
      </ul>
    </li>
  );
}

function Event({ event }: { readonly event: WhyEvent }) {
  const known = (["sent", "failed", "silenced", "inhibited", "muted", "not repeated", "not wanted"] as const).find((one) => one === event.outcome);
  return (
    <li class="why-event" data-outcome={event.outcome}>
      <time class="num muted" dateTime={event.at}>
        {formatClock(Date.parse(event.at), locale.value)}
      </time>
      <span class={`badge is-${LOOKS[event.outcome] ?? "none"}`}>{known === undefined ? event.outcome : t(`why.outcome.${known}`)}</span>
      <span class="why-to">
        <b>{event.receiver}</b>
        {event.integration !== "" && <span class="mono muted"> {event.integration}</span>}
      </span>
      <span class="why-text">{event.why}</span>
    </li>
  );
}

function History({ events }: { readonly events: readonly WhyEvent[] }) {
  const [kind, setKind] = useState<OutcomeKind | null>(null);
  const [all, setAll] = useState(false);
  const language = locale.value;
  const wanted = events.filter((event) => kind === null || kindOf(event.outcome) === kind);
  const shown = all ? wanted : wanted.slice(0, EVENTS_AT_FIRST);
  const count = (of: OutcomeKind | null): string => formatNumber(events.filter((event) => of === null || kindOf(event.outcome) === of).length, language, 0);
  if (events.length === 0) return <p class="muted">{t("why.noHistory")}</p>;
  return (
    <div class="why-history">
      <div class="segmented" role="group" aria-label={t("why.history")}>
        {[null, ...OUTCOME_KINDS].map((one) => (
          <button key={one} type="button" aria-pressed={kind === one} onClick={() => setKind(one)}>
            {t(one === null ? "alert.state.all" : `why.kind.${one}`)} <span class="num muted">{count(one)}</span>
          </button>
        ))}
      </div>
      {byDay(shown, (ms) => formatDay(ms, language)).map((day) => (
        <section key={day.name}>
          <h4>{day.name}</h4>
          <ol class="why-events">
            {day.events.map((event, index) => (
              <Event key={`${event.at} ${index}`} event={event} />
            ))}
          </ol>
        </section>
      ))}
      {shown.length < wanted.length && (
        <button type="button" class="link-button" onClick={() => setAll(true)}>
          {t("query.showMore", { count: formatNumber(wanted.length, language, 0) })}
        </button>
      )}
    </div>
  );
}

export function WhyCard({ alert, nowMs }: { readonly alert: WhyAlert; readonly nowMs: number }) {
  const state = (["active", "suppressed", "resolved"] as const).find((one) => one === alert.state);
  return (
    <section class="card why-card" data-why={alert.fingerprint} data-state={alert.state} aria-label={alert.labels["alertname"] ?? alert.fingerprint}>
      <header class="alert-line">
        <span class={`badge is-${STATE_LOOKS[alert.state] ?? "none"}`}>{state === undefined ? alert.state : t(STATE_TEXTS[state])}</span>
        <h2>{alert.labels["alertname"] ?? alert.fingerprint}</h2>
      </header>
      <LabelChips labels={alert.labels} skip={["alertname"]} />
      <Reasons alert={alert} />
      <h3>{t("why.routes")}</h3>
      <ul class="why-routes">
        {alert.routes.map((route) => (
          <Route key={`${route.route} ${route.groupKey}`} route={route} nowMs={nowMs} />
        ))}
      </ul>
      <h3>{t("why.history")}</h3>
      <History events={alert.history} />
    </section>
  );
}
