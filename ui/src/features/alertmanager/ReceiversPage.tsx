// Who can be told, and what each is told now.
import { lastGood, useLoad } from "../../api/useLoad";
import { href } from "../../app/router";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { Icon } from "../../components/Icon";
import { PageHead } from "../../components/PageHead";
import { ErrorNote, Skeleton } from "../../components/States";
import { plural, t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { amApi, everyAlert } from "./amApi";
import { ReceiverTest } from "./ReceiverTest";

const EVERY_MS = 10_000;

export function ReceiversPage() {
  const { nowMs } = useClock(EVERY_MS);
  const { state } = useLoad("receivers and alerts", nowMs, async (stop) => {
    const [receivers, alerts] = await Promise.all([amApi.receivers(stop), amApi.alerts(everyAlert([]), stop)]);
    return receivers.map(({ name }) => {
      const own = alerts.filter((alert) => alert.receivers.includes(name));
      return { name, active: own.filter((alert) => alert.state !== "suppressed").length, quiet: own.filter((alert) => alert.state === "suppressed").length };
    });
  });
  const receivers = lastGood(state);
  const language = locale.value;
  return (
    <>
      <PageHead title={t("nav.receivers")} />
      {state.kind === "loading" && <Skeleton height={240} />}
      {state.kind === "failed" && receivers === undefined && <ErrorNote error={state.error} />}
      <ul class="silences">
        {(receivers ?? []).map(({ name, active, quiet }) => (
          <li key={name} class="card receiver" data-receiver={name}>
            <Icon name="receiver" />
            <h2>{name}</h2>
            <span class={`badge is-${active > 0 ? "bad" : "ok"}`}>{plural("am.alerts.one", "am.alerts.other", active, formatNumber(active, language, 0))}</span>
            {quiet > 0 && <span class="badge is-warn">{t("am.suppressed", { count: formatNumber(quiet, language, 0) })}</span>}
            <a class="button button-small" href={href("notices", new URLSearchParams({ receiver: name }))}>
              {t("am.receiver.show")}
            </a>
            <ReceiverTest name={name} />
          </li>
        ))}
      </ul>
    </>
  );
}
