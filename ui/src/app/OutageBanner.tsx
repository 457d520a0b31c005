// Says that the server is away, keeps trying, and lets the reader try at once.
import { useEffect } from "preact/hooks";
import { outage, retries } from "../api/client";
import { Icon } from "../components/Icon";
import { t } from "../i18n";
import { versionOf } from "./version";

const PROBE_EVERY_MS = 3_000;

export function OutageBanner() {
  const error = outage.value;
  const down = error !== null;
  useEffect(() => {
    if (!down) return undefined;
    const controller = new AbortController();
    const timer = window.setInterval(() => {
      // A page that polls anyway clears the banner itself; a quiet one needs the probe, and then its data.
      versionOf(controller.signal).then(
        () => (retries.value += 1),
        () => undefined,
      );
    }, PROBE_EVERY_MS);
    return () => {
      controller.abort();
      window.clearInterval(timer);
    };
  }, [down]);
  if (error === null) return null;
  return (
    <div class="banner" role="alert">
      <Icon name="alert" />
      <p>
        <strong>{t(error.kind === "starting" ? "outage.starting" : "outage.offline")}</strong> {t("outage.hint")}
      </p>
      <button type="button" class="button" onClick={() => (retries.value += 1)}>
        {t("outage.retry")}
      </button>
    </div>
  );
}
