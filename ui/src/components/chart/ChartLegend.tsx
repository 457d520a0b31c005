// The legend: names, the value under the cursor (else the newest), and what is hidden.
import { useState } from "preact/hooks";
import { locale } from "../../app/settings";
import { t } from "../../i18n";
import { formatUnit, type Unit } from "../../lib/format";
import { lastOf } from "../../lib/frames";
import type { ChartData } from "./model";

const FOLDED = 12;

interface Props {
  readonly title: string;
  readonly data: ChartData;
  readonly unit: Unit;
  readonly index: number | null;
  readonly hidden: ReadonlySet<string>;
  readonly onToggle: (id: string, toggle: boolean) => void;
}

export function ChartLegend({ title, data, unit, index, hidden, onToggle }: Props) {
  const [open, setOpen] = useState(false);
  const shown = open ? data.series : data.series.slice(0, FOLDED);
  const rest = data.series.length - shown.length;
  return (
    <ul class="legend" aria-label={t("chart.legend", { title })}>
      {shown.map((one) => {
        const value = index === null ? lastOf(one.values)?.value : one.values[index];
        return (
          <li key={one.id}>
            <button
              type="button"
              class="legend-item"
              aria-pressed={!hidden.has(one.id)}
              title={t("chart.legendHint")}
              onClick={(event) => onToggle(one.id, event.ctrlKey || event.metaKey)}
            >
              <span class={one.reference === true ? "swatch swatch-line" : "swatch"} style={{ "--swatch": `var(${one.color})` }} />
              <span class="legend-name">{one.name}</span>
              <span class="legend-value">{formatUnit(value, unit, locale.value)}</span>
            </button>
          </li>
        );
      })}
      {rest > 0 && (
        <li>
          <button type="button" class="legend-item legend-more" onClick={() => setOpen(true)}>
            {t("chart.more", { count: rest })}
          </button>
        </li>
      )}
    </ul>
  );
}
