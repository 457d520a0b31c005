// The values under the pointer, largest first, beside the cursor line and never under it.
import { locale } from "../../app/settings";
import { t } from "../../i18n";
import { formatUnit } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import type { CursorState } from "./Chart";
import type { ChartData, ChartLook } from "./model";

const ROWS = 10;
const WIDTH = 240;
const AXIS_WIDTH = 66;
const MARKS = 3;
// Steps to either side within which a mark counts as under the pointer.
const MARK_REACH = 2;

interface Props {
  readonly data: ChartData;
  readonly look: ChartLook;
  readonly cursor: CursorState;
  readonly hidden: ReadonlySet<string>;
  readonly frame: HTMLElement | null;
}

export function ChartTooltip({ data, look, cursor, hidden, frame }: Props) {
  const rows = data.series
    .filter((one) => !hidden.has(one.id))
    .map((one) => ({ one, value: one.values[cursor.index] ?? null }))
    .filter((row): row is { one: (typeof row)["one"]; value: number } => row.value !== null)
    .sort((a, b) => b.value - a.value);
  const time = data.times[cursor.index];
  if (time === undefined || rows.length === 0) return null;
  const step = (data.times[1] ?? 0) - (data.times[0] ?? 0);
  const marks = (data.marks ?? []).filter((mark) => Math.abs(mark.t - time) <= step * MARK_REACH).slice(0, MARKS);
  const measured = rows.filter((row) => row.one.reference !== true);
  const width = frame?.clientWidth ?? 0;
  const x = AXIS_WIDTH + cursor.left;
  // On the side with more room.
  const left = x + WIDTH + 16 > width && x - WIDTH - 16 > 0 ? x - WIDTH - 14 : Math.min(x + 14, Math.max(0, width - WIDTH));
  return (
    <div class="tooltip" style={{ left: `${Math.max(0, left)}px`, width: `${WIDTH}px` }} role="status">
      <div class="tooltip-time">{formatInstant(time * 1000, locale.value)}</div>
      {rows.slice(0, ROWS).map(({ one, value }) => (
        <div class="tooltip-row" key={one.id}>
          <span class={one.reference === true ? "swatch swatch-line" : "swatch"} style={{ "--swatch": `var(${one.color})` }} />
          <span class="tooltip-name">{one.name}</span>
          <span class="tooltip-value">{formatUnit(value, look.unit, locale.value)}</span>
        </div>
      ))}
      {rows.length > ROWS && <div class="tooltip-more">{t("chart.more", { count: rows.length - ROWS })}</div>}
      {look.stacked && measured.length > 1 && (
        <div class="tooltip-row tooltip-total">
          <span class="tooltip-name">{t("common.total")}</span>
          <span class="tooltip-value">
            {formatUnit(
              measured.reduce((sum, row) => sum + row.value, 0),
              look.unit,
              locale.value,
            )}
          </span>
        </div>
      )}
      {marks.map((mark, index) => (
        <div class="tooltip-mark" key={index}>
          {mark.text}
        </div>
      ))}
    </div>
  );
}
