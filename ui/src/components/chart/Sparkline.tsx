// A small line without axes, drawn as SVG: the shape of the recent past behind one number.
import type { Column } from "../../lib/frames";

const WIDTH = 120;
const HEIGHT = 32;

/** Returns the path of a column within the box; gaps break the line. */
export function sparkPath(values: Column, top: number): { line: string; area: string } {
  const step = values.length > 1 ? WIDTH / (values.length - 1) : WIDTH;
  let line = "";
  let area = "";
  let start = -1;
  const close = (end: number): void => {
    if (start >= 0) area += `L${(end * step).toFixed(1)} ${HEIGHT}L${(start * step).toFixed(1)} ${HEIGHT}Z`;
    start = -1;
  };
  values.forEach((value, index) => {
    if (value === null) {
      close(index - 1);
      return;
    }
    const y = HEIGHT - 1.5 - (Math.min(Math.max(value, 0), top) / top) * (HEIGHT - 3);
    const point = `${start < 0 ? "M" : "L"}${(index * step).toFixed(1)} ${y.toFixed(1)}`;
    if (start < 0) start = index;
    line += point;
    area += point;
  });
  close(values.length - 1);
  return { line, area };
}

/** `floor` is the least height of the scale, in the values' unit. */
export function Sparkline({ values, floor }: { readonly values: Column; readonly floor: number }) {
  const top = Math.max(floor, ...values.map((value) => value ?? 0));
  const { line, area } = sparkPath(values, top);
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path class="spark-area" d={area} />
      <path class="spark-line" d={line} />
    </svg>
  );
}
