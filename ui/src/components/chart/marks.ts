// Marks on a chart: found in the data, and drawn over it.
import type uPlot from "uplot";
import type { Column } from "../../lib/frames";
import type { ChartMark } from "./model";

/** A place where a series ends or a counter falls; `index` is that of the last sample before, or of the fall. */
export interface Turn {
  readonly kind: "reset" | "end";
  readonly index: number;
}

/** Returns where a column stops before the end of the range, and where it falls if it counts. */
export function findTurns(column: Column, isCounter: boolean): Turn[] {
  const turns: Turn[] = [];
  for (let index = 1; index < column.length; index += 1) {
    const before = column[index - 1] ?? null;
    const here = column[index] ?? null;
    if (before !== null && here === null) turns.push({ kind: "end", index: index - 1 });
    if (isCounter && before !== null && here !== null && here < before) turns.push({ kind: "reset", index });
  }
  // The newest point of a live range is often not there yet: no end.
  const last = turns.at(-1);
  if (last?.kind === "end" && last.index >= column.length - 3) turns.pop();
  return turns;
}

/** Whether a name is that of a counter, by the convention. */
export function isCounterName(name: string): boolean {
  return /_(total|count|sum|bucket)$/.test(name);
}

const SIZE_PX = 4;

/** Draws every mark at its place; one outside the y range sits on the edge. */
export function drawMarks(u: uPlot, marks: readonly ChartMark[], resolve: (token: string) => string): void {
  const { ctx, bbox } = u;
  const size = SIZE_PX * devicePixelRatio;
  ctx.save();
  ctx.lineWidth = 1.5 * devicePixelRatio;
  for (const mark of marks) {
    const x = u.valToPos(mark.t, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const y = Math.min(Math.max(u.valToPos(mark.v, "y", true), bbox.top + size), bbox.top + bbox.height - size);
    ctx.strokeStyle = resolve(mark.color);
    ctx.fillStyle = mark.kind === "exemplar" ? resolve(mark.color) : resolve("--surface");
    ctx.beginPath();
    if (mark.kind === "end") ctx.arc(x, y, size * 0.8, 0, 2 * Math.PI);
    else if (mark.kind === "reset") polygon(ctx, [[x - size, y - size], [x + size, y - size], [x, y + size]]);
    else polygon(ctx, [[x, y - size], [x + size, y], [x, y + size], [x - size, y]]);
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}

function polygon(ctx: CanvasRenderingContext2D, points: readonly (readonly [number, number])[]): void {
  points.forEach(([x, y], index) => (index === 0 ? ctx.moveTo(x, y) : ctx.lineTo(x, y)));
  ctx.closePath();
}
