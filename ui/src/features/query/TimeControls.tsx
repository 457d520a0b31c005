// When: the length and end of a graph, its resolution, or the instant of a table.
import { useEffect, useState } from "preact/hooks";
import { serverNow } from "../../api/client";
import { Icon } from "../../components/Icon";
import { Select } from "../../components/Select";
import { locale } from "../../app/settings";
import { t } from "../../i18n";
import { formatDuration, parseDuration } from "../../lib/duration";
import { formatSpan } from "../../lib/format";
import { fromInputValue, toInputValue } from "../../lib/time";
import { PRESETS_MS } from "../../lib/timeRange";
import { DENSITIES, DISPLAY_MODES, type PanelState } from "./queryUrl";

interface Props {
  readonly panel: PanelState;
  readonly onChange: (change: Partial<PanelState>) => void;
}

const STEPS_S = [1, 5, 15, 30, 60, 300, 900, 3600] as const;

function RangeInput({ panel, onChange }: Props) {
  const [text, setText] = useState(formatDuration(panel.rangeMs));
  useEffect(() => setText(formatDuration(panel.rangeMs)), [panel.rangeMs]);
  const parsed = parseDuration(text);
  const valid = parsed !== null && parsed >= 1_000;
  const commit = (): void => {
    if (valid && parsed !== panel.rangeMs) onChange({ rangeMs: parsed });
    if (!valid) setText(formatDuration(panel.rangeMs));
  };
  const shift = (direction: 1 | -1): void => {
    const next = direction > 0 ? PRESETS_MS.find((ms) => ms > panel.rangeMs) : PRESETS_MS.findLast((ms) => ms < panel.rangeMs);
    if (next !== undefined) onChange({ rangeMs: next });
  };
  return (
    <div class="button-group">
      <button type="button" class="button button-icon" aria-label={t("query.shorter")} title={t("query.shorter")} onClick={() => shift(-1)}>
        <Icon name="minus" />
      </button>
      <input
        class="input range-input"
        aria-label={t("query.range")}
        aria-invalid={!valid}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === "Enter") commit();
        }}
      />
      <button type="button" class="button button-icon" aria-label={t("query.longer")} title={t("query.longer")} onClick={() => shift(1)}>
        <Icon name="plus" />
      </button>
    </div>
  );
}

function EndInput({ panel, onChange }: Props) {
  const stepMs = panel.tab === "graph" ? panel.rangeMs / 2 : 5 * 60_000;
  const move = (direction: 1 | -1): void => onChange({ endMs: Math.min((panel.endMs ?? serverNow()) + direction * stepMs, serverNow() + stepMs) });
  const label = t(panel.tab === "graph" ? "query.end" : "query.at");
  return (
    <div class="button-group">
      <button type="button" class="button button-icon" aria-label={t("query.earlier")} title={t("query.earlier")} onClick={() => move(-1)}>
        <Icon name="left" />
      </button>
      {panel.endMs === null ? (
        <button type="button" class="button" aria-label={`${label}: ${t("query.now")}`} title={label} onClick={() => onChange({ endMs: Math.floor(serverNow() / 1000) * 1000 })}>
          <Icon name="clock" />
          {t("query.now")}
        </button>
      ) : (
        <>
          <input
            class="input"
            type="datetime-local"
            step="1"
            aria-label={label}
            value={toInputValue(panel.endMs)}
            onChange={(event) => onChange({ endMs: fromInputValue(event.currentTarget.value) })}
          />
          <button type="button" class="button button-icon" aria-label={t("query.backToNow")} title={t("query.backToNow")} onClick={() => onChange({ endMs: null })}>
            <Icon name="close" />
          </button>
        </>
      )}
      <button type="button" class="button button-icon" aria-label={t("query.later")} title={t("query.later")} onClick={() => move(1)} disabled={panel.endMs === null}>
        <Icon name="right" />
      </button>
    </div>
  );
}

export function TimeControls({ panel, onChange }: Props) {
  if (panel.tab !== "graph") return <EndInput panel={panel} onChange={onChange} />;
  const steps = panel.stepS === null || STEPS_S.some((step) => step === panel.stepS) ? [...STEPS_S] : [...STEPS_S, panel.stepS];
  return (
    <>
      <RangeInput panel={panel} onChange={onChange} />
      <EndInput panel={panel} onChange={onChange} />
      <Select
        label={t("query.resolution")}
        options={[
          ...DENSITIES.map((density) => ({ value: density, label: t(`query.density.${density}`) })),
          ...steps.map((step) => ({ value: String(step), label: t("query.resolution.step", { span: formatSpan(step, locale.value) }) })),
        ]}
        value={panel.stepS === null ? panel.density : String(panel.stepS)}
        onChange={(value) => {
          const density = DENSITIES.find((known) => known === value);
          onChange(density === undefined ? { stepS: Number(value) } : { stepS: null, density });
        }}
      />
      <div class="segmented" role="group" aria-label={t("query.display")}>
        {DISPLAY_MODES.map((display) => (
          <button key={display} type="button" aria-pressed={panel.display === display} onClick={() => onChange({ display })}>
            {t(`query.display.${display}`)}
          </button>
        ))}
      </div>
      <label class="check">
        <input type="checkbox" checked={panel.fromZero} onChange={(event) => onChange({ fromZero: event.currentTarget.checked })} />
        {t("query.fromZero")}
      </label>
      <label class="check">
        <input type="checkbox" checked={panel.exemplars} onChange={(event) => onChange({ exemplars: event.currentTarget.checked })} />
        {t("query.exemplars")}
      </label>
    </>
  );
}
