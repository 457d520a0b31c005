// A table body of any length: only the rows in sight exist. Rows have one fixed height then.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

// Below, all rows are drawn, and may be as high as they like.
export const VIRTUAL_FROM = 200;
const ROW_PX = 34;
const SPARE_ROWS = 12;
const HEIGHT_PX = 640;

export interface Span {
  readonly first: number;
  readonly end: number;
}

/** Returns which of `count` rows to draw when `scrollTop` px are scrolled away and `height` px are in sight. */
export function rowsInSight(count: number, scrollTop: number, height: number): Span {
  const first = Math.min(Math.max(0, Math.floor(scrollTop / ROW_PX) - SPARE_ROWS), Math.max(0, count - 1));
  return { first, end: Math.min(count, Math.ceil((scrollTop + height) / ROW_PX) + SPARE_ROWS) };
}

interface Props<T> {
  readonly label: string;
  readonly tableClass: string;
  readonly name: string;
  readonly columns: number;
  /** Widths of the columns, as `<col>`s. */
  readonly cols?: ComponentChildren;
  readonly head: ComponentChildren;
  readonly rows: readonly T[];
  readonly row: (item: T, index: number) => ComponentChildren;
  /** The table goes back to its top when this changes: other rows begin there. Rows that are refreshed do not. */
  readonly subject?: unknown;
}

/** `row` gives the cells of one row. */
export function VirtualTable<T>({ label, tableClass, name, columns, cols, head, rows, row, subject = rows }: Props<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [scrollTop, setScrollTop] = useState(0);
  const isVirtual = rows.length > VIRTUAL_FROM;
  const { first, end } = isVirtual ? rowsInSight(rows.length, scrollTop, HEIGHT_PX) : { first: 0, end: rows.length };
  useEffect(() => box.current?.scrollTo({ top: 0 }), [subject]);
  const spacer = (count: number) =>
    count > 0 && (
      <tr class="spacer" aria-hidden="true">
        <td colSpan={columns} style={{ height: `${count * ROW_PX}px` }} />
      </tr>
    );
  return (
    <div
      class={isVirtual ? "table-scroll is-virtual" : "table-scroll"}
      ref={box}
      tabIndex={0}
      role="region"
      aria-label={label}
      onScroll={(event) => {
        if (isVirtual) setScrollTop(event.currentTarget.scrollTop);
      }}
    >
      <table class={`table ${tableClass}`} data-table={name} {...(isVirtual ? { "aria-rowcount": rows.length + 1 } : {})}>
        {cols !== undefined && <colgroup>{cols}</colgroup>}
        <thead>{head}</thead>
        <tbody>
          {spacer(first)}
          {rows.slice(first, end).map((item, index) => (
            <tr key={first + index} {...(isVirtual ? { "aria-rowindex": first + index + 2 } : {})}>
              {row(item, first + index)}
            </tr>
          ))}
          {spacer(rows.length - end)}
        </tbody>
      </table>
    </div>
  );
}
