// One alert of the Alertmanager, and the badges that say why nobody hears of it.
import { href } from "../../app/router";
import { locale } from "../../app/settings";
import { Annotations } from "../../components/Annotations";
import { Icon } from "../../components/Icon";
import { LabelChips } from "../../components/LabelChips";
import { t } from "../../i18n";
import { formatSpan } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import type { GettableAlert } from "./amApi";
import { filterText, matchersOf } from "./matchers";

// Only addresses that a browser may follow become links.
const LINKABLE = /^https?:\/\//;

export function AlertBadges({ alert }: { readonly alert: GettableAlert }) {
  return (
    <>
      {alert.state !== "suppressed" && (
        <span class="badge is-bad">
          <span class="dot" aria-hidden="true" />
          {t("am.active")}
        </span>
      )}
      {alert.silencedBy.map((id) => (
        <a key={id} class="badge is-warn" href={href("silence", new URLSearchParams({ id }))}>
          {t("am.silenced")}
        </a>
      ))}
      {alert.inhibitedBy.length > 0 && <span class="badge is-warn">{t("am.inhibited")}</span>}
      {alert.mutedBy.length > 0 && (
        <span class="badge is-warn" title={alert.mutedBy.join(", ")}>
          {t("am.muted")}
        </span>
      )}
    </>
  );
}

interface Props {
  readonly alert: GettableAlert;
  readonly nowMs: number;
  readonly onPick: (name: string, value: string) => void;
}

export function NoticeCard({ alert, nowMs, onPick }: Props) {
  const since = Date.parse(alert.startsAt);
  const only = new URLSearchParams({ filter: filterText(matchersOf(alert.labels)) });
  const silence = href("silenceForm", only);
  return (
    <li class="alert-row" data-alert={alert.state === "suppressed" ? "pending" : "firing"} data-fingerprint={alert.fingerprint}>
      <div class="alert-line">
        <AlertBadges alert={alert} />
        <b>{alert.labels["alertname"] ?? ""}</b>
        <span class="num muted" title={formatInstant(since, locale.value)}>
          {t("alert.since", { span: formatSpan(Math.max(0, nowMs - since) / 1000, locale.value) })}
        </span>
        <span class="alert-actions">
          {LINKABLE.test(alert.generatorURL) && (
            <a class="button button-small" href={alert.generatorURL} target="_blank" rel="noreferrer noopener">
              <Icon name="link" />
              {t("am.source")}
            </a>
          )}
          <a class="button button-small" href={href("why", only)}>
            <Icon name="question" />
            {t("why.button")}
          </a>
          <a class="button button-small" href={silence}>
            <Icon name="silence" />
            {t("am.silence")}
          </a>
        </span>
      </div>
      <LabelChips labels={alert.labels} skip={["alertname"]} onPick={onPick} pickTitle={t("am.filter.add")} />
      <Annotations annotations={alert.annotations} />
    </li>
  );
}
