// A heat map over time: uPlot gives axes, cursor and zoom, the cells are ours.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { isDark, locale, zone } from "../../app/settings";
import { t } from "../../i18n";
import { formatNumber, formatUnit } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import { type Heat, type HeatRow, strength } from "./heatmap";
import { makeResolver, tickDate, withAlpha, xAxis, zoomHook } from "./plot";

interface Props {
  readonly title: string;
  readonly heat: Heat;
  readonly height: number;
  readonly onZoom: (fromS: number, toS: number) => void;
}

const LABEL_SPACE_PX = 26;
const AXIS_WIDTH_PX = 96;
// Up to here names of rows are shown; more would be cut off anyway.
const NAME_LENGTH = 14;

/** Returns what a row is called on the axis: the upper end of a bucket, or the name. */
function rowName(row: HeatRow): string {
  if (row.high === null) return row.name.length > NAME_LENGTH ? `${row.name.slice(0, NAME_LENGTH - 1)}…` : row.name;
  return `≤ ${formatNumber(row.high, locale.value)}`;
}

function rowRange(row: HeatRow): string {
  if (row.high === null) return row.name;
  return `${formatNumber(row.low, locale.value)} – ${formatNumber(row.high, locale.value)}`;
}

function drawCells(u: uPlot, heat: Heat, color: string): void {
  const { ctx, bbox } = u;
  const step = (heat.times[1] ?? 0) - (heat.times[0] ?? 0) || 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  heat.rows.forEach((row, at) => {
    const top = Math.round(u.valToPos(at + 1, "y", true));
    const bottom = Math.round(u.valToPos(at, "y", true));
    heat.times.forEach((time, index) => {
      const power = strength(row.counts[index] ?? 0, heat.max);
      if (power === 0) return;
      const left = Math.round(u.valToPos(time - step / 2, "x", true));
      const right = Math.round(u.valToPos(time + step / 2, "x", true));
      ctx.fillStyle = withAlpha(color, Math.round((0.08 + 0.92 * power) * 64) / 64);
      ctx.fillRect(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
    });
  });
  ctx.restore();
}

function options(heat: Heat, element: HTMLElement, height: number, onZoom: Props["onZoom"], onCursor: (u: uPlot) => void): uPlot.Options {
  const resolve = makeResolver(element);
  const text = resolve("--text-3");
  const grid = resolve("--grid");
  const color = resolve("--heat");
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const n = Math.max(1, heat.rows.length);
  return {
    width: Math.max(120, element.clientWidth),
    height,
    padding: [8, 22, 0, 0],
    legend: { show: false },
    tzDate: tickDate,
    cursor: { points: { show: false }, drag: { x: true, y: false, setScale: false } },
    scales: { x: { time: true }, y: { range: () => [0, n] } },
    axes: [
      xAxis(locale.value, text, grid, font),
      {
        stroke: text,
        font,
        size: AXIS_WIDTH_PX,
        gap: 6,
        grid: { show: false },
        ticks: { show: false },
        splits: (u) => {
          const every = Math.max(1, Math.ceil((n * LABEL_SPACE_PX) / Math.max(1, u.bbox.height / devicePixelRatio)));
          return heat.rows.map((_, index) => index + 0.5).filter((_, index) => index % every === 0);
        },
        values: (_u, splits) => splits.map((at) => rowName(heat.rows[Math.floor(at)] ?? { low: 0, high: null, name: "", counts: new Float64Array(0) })),
      },
    ],
    series: [{}, { paths: () => null, points: { show: false } }],
    hooks: { draw: [(u) => drawCells(u, heat, color)], setCursor: [onCursor], setSelect: [zoomHook(onZoom)] },
  };
}

interface Pointed {
  readonly row: HeatRow;
  readonly index: number;
  readonly left: number;
}

export function HeatmapChart({ title, heat, height, onZoom }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const zoom = useRef(onZoom);
  zoom.current = onZoom;
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const dark = isDark();
  const language = locale.value;
  const shown = zone.value;

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const onCursor = (u: uPlot): void => {
      const { idx, left, top } = u.cursor;
      const row = heat.rows[Math.floor(u.posToVal(top ?? -1, "y"))];
      setPointed(idx === null || idx === undefined || left === undefined || left < 0 || row === undefined ? null : { row, index: idx, left });
    };
    const data: uPlot.AlignedData = [heat.times as number[], heat.times.map(() => 0)];
    const built = new uPlot(options(heat, element, height, (from, to) => zoom.current(from, to), onCursor), data, element);
    const observer = new ResizeObserver(() => built.setSize({ width: Math.max(120, element.clientWidth), height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      built.destroy();
    };
  }, [heat, height, dark, language, shown]);

  const time = pointed === null ? undefined : heat.times[pointed.index];
  return (
    <div class="chart heatmap" data-chart="heatmap" data-rows={heat.rows.length}>
      <div class="chart-plot" ref={host} role="img" tabIndex={0} aria-label={t("chart.heatmap", { title, rows: heat.rows.length })} />
      {pointed !== null && time !== undefined && (
        <div class="tooltip heat-tip" style={{ left: `${Math.max(0, Math.min(AXIS_WIDTH_PX + pointed.left + 14, (host.current?.clientWidth ?? 0) - 220))}px` }} role="status">
          <div class="tooltip-time">{formatInstant(time * 1000, language)}</div>
          <div class="tooltip-row">
            <span class="tooltip-name">{rowRange(pointed.row)}</span>
            <span class="tooltip-value">{formatUnit(pointed.row.counts[pointed.index], "short", language)}</span>
          </div>
        </div>
      )}
      <div class="heat-scale">
        <span>0</span>
        <span class="heat-bar" aria-hidden="true" />
        <span>{formatUnit(heat.max, "short", language)}</span>
      </div>
    </div>
  );
}
