// The alerts that some matchers fit now.
import { lastGood, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import { LabelChips } from "../../components/LabelChips";
import { ErrorNote, Skeleton } from "../../components/States";
import { plural, t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { amApi, everyAlert } from "./amApi";
import { filterText, type Matcher } from "./matchers";
import { AlertBadges } from "./NoticeCard";

const SHOWN = 20;

export function AffectedAlerts({ matchers }: { readonly matchers: readonly Matcher[] }) {
  const subject = matchers.length === 0 ? null : `affected ${filterText(matchers)}`;
  const { state } = useLoad(subject, 0, (stop) => amApi.alerts(everyAlert(matchers), stop));
  const alerts = lastGood(state);
  if (subject === null) return <p class="muted">{t("silence.preview.none")}</p>;
  if (state.kind === "failed") return <ErrorNote error={state.error} />;
  if (alerts === undefined) return <Skeleton height={60} />;
  return (
    <div class="affected" data-affected={alerts.length} aria-live="polite">
      <p>{plural("silence.affects.one", "silence.affects.other", alerts.length, formatNumber(alerts.length, locale.value, 0))}</p>
      <ul class="alert-rows">
        {alerts.slice(0, SHOWN).map((alert) => (
          <li key={alert.fingerprint} class="alert-row">
            <div class="alert-line">
              <AlertBadges alert={alert} />
              <LabelChips labels={alert.labels} />
            </div>
          </li>
        ))}
      </ul>
      {alerts.length > SHOWN && <p class="muted">{t("chart.more", { count: alerts.length - SHOWN })}</p>}
    </div>
  );
}
