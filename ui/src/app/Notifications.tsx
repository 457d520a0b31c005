// The icon that says whether the server has something to tell, and the list behind it.
import { normalizeProps, useMachine } from "@zag-js/preact";
import * as popover from "@zag-js/popover";
import { useEffect, useId } from "preact/hooks";
import { Icon } from "../components/Icon";
import { Portal } from "../components/Portal";
import { plural, t, type PlainKey } from "../i18n";
import { formatNumber } from "../lib/format";
import { formatInstant } from "../lib/time";
import { listen, notifications } from "./notifications";
import { locale } from "./settings";

// The server speaks English; what it is known to say is said in the reader's language.
const KNOWN: Readonly<Record<string, PlainKey>> = {
  "Configuration reload has failed.": "notify.reload",
  "Prometheus is starting and replaying the write-ahead log (WAL).": "notify.starting",
  "Prometheus is shutting down and gracefully stopping all operations.": "notify.stopping",
};

export function Notifications() {
  useEffect(listen, []);
  const service = useMachine(popover.machine, { id: useId(), positioning: { placement: "top-start", gutter: 6 } });
  const api = popover.connect(service, normalizeProps);
  const all = notifications.value;
  const said = all.length === 0 ? t("notify.none") : plural("notify.count.one", "notify.count.other", all.length, formatNumber(all.length, locale.value, 0));
  return (
    <>
      <button class={all.length === 0 ? "button notify" : "button notify has-news"} data-notifications={all.length} {...api.getTriggerProps()} title={said}>
        <Icon name={all.length === 0 ? "info" : "alert"} />
        <span class="notify-name">{t("notify.title")}</span>
        {all.length > 0 && <span class="badge is-bad num">{formatNumber(all.length, locale.value, 0)}</span>}
      </button>
      <span class="visually-hidden" role="status">
        {all.length > 0 && said}
      </span>
      <Portal>
        <div class="pop-positioner" {...api.getPositionerProps()}>
          <div class="pop notify-pop" {...api.getContentProps()} aria-label={t("notify.title")}>
            {all.length === 0 && <p class="muted">{t("notify.none")}</p>}
            <ul>
              {all.map(({ text, date }) => {
                const key = KNOWN[text];
                return (
                  <li key={text}>
                    <p>{key === undefined ? text : t(key)}</p>
                    <small class="muted">{Number.isNaN(Date.parse(date)) ? "" : formatInstant(Date.parse(date), locale.value)}</small>
                  </li>
                );
              })}
            </ul>
          </div>
        </div>
      </Portal>
    </>
  );
}
