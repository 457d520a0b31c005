// A time series chart: uPlot draws, the legend reads values at the cursor, the keyboard moves it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { isDark, locale, zone } from "../../app/settings";
import { t } from "../../i18n";
import { lastOf } from "../../lib/frames";
import { ChartLegend } from "./ChartLegend";
import { ChartTooltip } from "./ChartTooltip";
import { nextHidden } from "./hidden";
import type { ChartData, ChartLook } from "./model";
import { makeResolver, plotData, plotOptions } from "./plot";

export interface ChartProps {
  readonly id: string;
  readonly title: string;
  readonly data: ChartData;
  readonly look: ChartLook;
  readonly height: number;
  /** Charts with one key share their cursor. */
  readonly syncKey?: string;
  readonly onZoom?: (fromS: number, toS: number) => void;
}

export interface CursorState {
  readonly index: number;
  readonly left: number;
  readonly top: number;
}

export function Chart({ id, title, data, look, height, syncKey, onZoom }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<CursorState | null>(null);
  const [pointed, setPointed] = useState(false);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const language = locale.value;
  const dark = isDark();
  const zoom = useRef(onZoom);
  zoom.current = onZoom;
  const marks = useRef(data.marks);
  marks.current = data.marks;
  // Hidden series leave the plot, so that a stack closes over them.
  const visible = useMemo(() => data.series.filter((one) => !hidden.has(one.id)), [data, hidden]);
  const drawn = useMemo(() => plotData(data.times, visible, look.stacked), [data, visible, look.stacked]);
  // What forces a new plot; data alone does not.
  const shape = [look.unit, look.stacked, look.floor, look.ceiling, look.fitted, language, zone.value, dark, syncKey, ...visible.map((one) => `${one.id} ${one.color}`)].join("|");

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const options = plotOptions(visible, look, {
      width: Math.max(120, element.clientWidth),
      height,
      locale: language,
      syncKey: syncKey ?? null,
      resolve: makeResolver(element),
      onCursor: (index, left, top) => setCursor(index === null || left < 0 ? null : { index, left, top }),
      onZoom: (from, to) => zoom.current?.(from, to),
      marks: () => marks.current ?? [],
    });
    const built = new uPlot(options, drawn, element);
    plot.current = built;
    const observer = new ResizeObserver(() => built.setSize({ width: Math.max(120, element.clientWidth), height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      built.destroy();
      plot.current = null;
      setCursor(null);
    };
  }, [shape, height]);

  useEffect(() => plot.current?.setData(drawn), [drawn, data.marks]);

  const lastPoint = Math.max(-1, ...data.series.map((one) => lastOf(one.values)?.index ?? -1));
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const current = plot.current;
    if (current === null || (step === undefined && event.key !== "Escape")) return;
    event.preventDefault();
    if (step === undefined) {
      current.setCursor({ left: -10, top: -10 });
      return;
    }
    const index = Math.min(Math.max((cursor?.index ?? lastPoint + 1) + step, 0), data.times.length - 1);
    current.setCursor({ left: current.valToPos(data.times[index] ?? 0, "x"), top: 12 });
  };

  return (
    <div class="chart" data-chart={id} data-marks={data.marks?.length ?? 0} data-points={data.times.length} data-last={lastPoint < 0 ? "" : data.times[lastPoint]}>
      <div
        class="chart-plot"
        ref={host}
        role="img"
        tabIndex={0}
        aria-label={`${t("chart.label", { title })}. ${t("chart.help")}`}
        onKeyDown={onKeyDown}
        onFocus={() => setPointed(true)}
        onBlur={() => setPointed(false)}
        onMouseEnter={() => setPointed(true)}
        onMouseLeave={() => setPointed(false)}
      />
      {pointed && cursor !== null && <ChartTooltip data={data} look={look} cursor={cursor} hidden={hidden} frame={host.current} />}
      <ChartLegend
        title={title}
        data={data}
        unit={look.unit}
        index={cursor?.index ?? null}
        hidden={hidden}
        onToggle={(series, toggle) => setHidden(nextHidden(hidden, data.series.map((one) => one.id), series, toggle))}
      />
    </div>
  );
}
