// Chooses a live length or two instants.
import { normalizeProps, useMachine } from "@zag-js/preact";
import * as popover from "@zag-js/popover";
import { useId, useState } from "preact/hooks";
import { locale } from "../app/settings";
import { t } from "../i18n";
import { formatSpan } from "../lib/format";
import { formatRange, fromInputValue, toInputValue } from "../lib/time";
import { boundsOf, PRESETS_MS, type TimeRange } from "../lib/timeRange";
import { Portal } from "./Portal";
import { Icon } from "./Icon";

interface Props {
  readonly range: TimeRange;
  readonly nowMs: number;
  readonly onChange: (range: TimeRange) => void;
}

function FixedForm({ range, nowMs, onApply }: { readonly range: TimeRange; readonly nowMs: number; readonly onApply: (range: TimeRange) => void }) {
  const bounds = boundsOf(range, nowMs);
  const [from, setFrom] = useState(toInputValue(bounds.fromMs));
  const [to, setTo] = useState(toInputValue(bounds.toMs));
  const fromMs = fromInputValue(from);
  const toMs = fromInputValue(to);
  const valid = fromMs !== null && toMs !== null && toMs > fromMs;
  return (
    <form
      class="range-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (valid) onApply({ kind: "fixed", fromMs, toMs });
      }}
    >
      <label>
        {t("range.from")}
        <input class="input" type="datetime-local" step="1" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
      </label>
      <label>
        {t("range.to")}
        <input class="input" type="datetime-local" step="1" value={to} onInput={(event) => setTo(event.currentTarget.value)} />
      </label>
      {!valid && <p class="form-error">{t("range.invalid")}</p>}
      <button type="submit" class="button button-primary" disabled={!valid}>
        {t("range.apply")}
      </button>
    </form>
  );
}

export function TimeRangePicker({ range, nowMs, onChange }: Props) {
  const service = useMachine(popover.machine, { id: useId(), positioning: { placement: "bottom-end", gutter: 4 } });
  const api = popover.connect(service, normalizeProps);
  const language = locale.value;
  const { fromMs, toMs } = boundsOf(range, nowMs);
  const shown = range.kind === "live" ? t("range.live", { span: formatSpan(range.lengthMs / 1000, language) }) : formatRange(fromMs, toMs, nowMs, language);
  const choose = (next: TimeRange): void => {
    api.setOpen(false);
    onChange(next);
  };
  return (
    <>
      <button class="button" {...api.getTriggerProps()} aria-label={`${t("range.label")}: ${shown}`}>
        <Icon name="clock" />
        <span>{shown}</span>
        <Icon name="chevron" />
      </button>
      <Portal>
        <div class="pop-positioner" {...api.getPositionerProps()}>
          <div class="pop range-pop" {...api.getContentProps()} aria-label={t("range.label")}>
            <div>
              <h4>{t("range.quick")}</h4>
              <div class="range-presets">
                {PRESETS_MS.map((lengthMs) => (
                  <button
                    key={lengthMs}
                    type="button"
                    class="chip"
                    aria-pressed={range.kind === "live" && range.lengthMs === lengthMs}
                    onClick={() => choose({ kind: "live", lengthMs })}
                  >
                    {formatSpan(lengthMs / 1000, language)}
                  </button>
                ))}
              </div>
            </div>
            <div>
              <h4>{t("range.fixed")}</h4>
              {api.open && <FixedForm range={range} nowMs={nowMs} onApply={choose} />}
            </div>
          </div>
        </div>
      </Portal>
    </>
  );
}
