// The table tab: the value of every series at one instant.
import { useMemo, useState } from "preact/hooks";
import { api, type Reply } from "../../api/client";
import type { HistogramValue, Labels, QueryResult } from "../../api/types";
import { locale } from "../../app/settings";
import { NoData } from "../../components/States";
import { VirtualTable } from "../../components/VirtualRows";
import { plural, t } from "../../i18n";
import { formatNumber, formatRaw } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import { HistogramView } from "./HistogramView";
import { MetricName } from "./MetricName";
import { metricText } from "./metricText";

export interface Row {
  readonly labels: Labels;
  readonly value: string;
  readonly histogram: HistogramValue | null;
  readonly sort: number;
}

/** Returns the rows of an answer that has series. */
export function resultRows(result: QueryResult): Row[] {
  switch (result.kind) {
    case "vector":
      return result.samples.map(({ labels, v, histogram }) => ({ labels, value: formatRaw(v), histogram, sort: histogram === null ? v : histogram.count }));
    case "matrix":
      return result.frames.map((frame) => {
        const lines = Array.from(frame.v, (value, index) => `${formatRaw(value)} @${frame.t[index] ?? ""}`);
        return { labels: frame.labels, value: lines.join("\n"), histogram: null, sort: frame.v.at(-1) ?? NaN };
      });
    case "scalar":
      return [{ labels: {}, value: formatRaw(result.v), histogram: null, sort: result.v }];
    case "string":
      return [{ labels: {}, value: result.text, histogram: null, sort: 0 }];
  }
}

type Order = "server" | "up" | "down";
const NEXT: Readonly<Record<Order, Order>> = { server: "down", down: "up", up: "server" };
const ARIA = { server: "none", up: "ascending", down: "descending" } as const;

export function TableResult({ reply, atMs }: { readonly reply: Reply<QueryResult>; readonly atMs: number }) {
  const [order, setOrder] = useState<Order>("server");
  const rows = useMemo(() => resultRows(reply.data), [reply]);
  const sorted = useMemo(() => (order === "server" ? rows : rows.toSorted((a, b) => (order === "up" ? a.sort - b.sort : b.sort - a.sort))), [rows, order]);
  if (rows.length === 0) return <NoData height={160} text={t("query.empty")} />;
  const language = locale.value;
  const head = (
    <tr>
      <th scope="col">
        {plural("query.series.one", "query.series.other", rows.length, formatNumber(rows.length, language, 0))} · {formatInstant(atMs, language)}
      </th>
      <th scope="col" class="num" aria-sort={ARIA[order]}>
        <button type="button" class="sort-button" onClick={() => setOrder(NEXT[order])}>
          {t("query.value")} <span aria-hidden="true">{{ server: "↕", up: "↑", down: "↓" }[order]}</span>
        </button>
      </th>
    </tr>
  );
  return (
    <VirtualTable
      label={t("query.tab.table")}
      tableClass="result-table"
      name="result"
      columns={2}
      head={head}
      rows={sorted}
      row={(row) => (
        <>
          <td class="mono" title={rows.length > 200 ? metricText(row.labels) : undefined}>
            <MetricName labels={row.labels} />
          </td>
          <td class="num mono result-value">{row.histogram === null ? row.value : <HistogramView value={row.histogram} />}</td>
        </>
      )}
    />
  );
}

/** Asks for one instant. */
export function loadTable(expr: string, atMs: number, stop: AbortSignal): Promise<Reply<QueryResult>> {
  return api.query(expr, atMs / 1000, stop);
}
