// The table tab: the value of every series at one instant.
import { useState } from "preact/hooks";
import { api, type Reply } from "../../api/client";
import type { Labels, QueryResult } from "../../api/types";
import { locale } from "../../app/settings";
import { NoData } from "../../components/States";
import { plural, t } from "../../i18n";
import { formatNumber, formatRaw } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import { metricParts, escapeValue } from "./metricText";

// What a browser lays out at once without a hitch; the rest is one click away.
const ROWS_AT_FIRST = 500;
const ROWS_AT_MOST = 10_000;

export interface Row {
  readonly labels: Labels;
  readonly value: string;
  readonly sort: number;
}

/** Returns the rows of an answer that has series. */
export function resultRows(result: QueryResult): Row[] {
  switch (result.kind) {
    case "vector":
      return result.samples.map(({ labels, v, histogram }) =>
        histogram === null
          ? { labels, value: formatRaw(v), sort: v }
          : { labels, value: `count ${formatRaw(histogram.count)}, sum ${formatRaw(histogram.sum)}, buckets ${histogram.buckets}`, sort: histogram.count },
      );
    case "matrix":
      return result.frames.map((frame) => {
        const lines = Array.from(frame.v, (value, index) => `${formatRaw(value)} @${frame.t[index] ?? ""}`);
        return { labels: frame.labels, value: lines.join("\n"), sort: frame.v.at(-1) ?? NaN };
      });
    case "scalar":
      return [{ labels: {}, value: formatRaw(result.v), sort: result.v }];
    case "string":
      return [{ labels: {}, value: result.text, sort: 0 }];
  }
}

export function MetricName({ labels }: { readonly labels: Labels }) {
  const { name, labels: pairs } = metricParts(labels);
  if (name === "" && pairs.length === 0) return <span class="metric">{"{}"}</span>;
  return (
    <span class="metric">
      {name !== "" && <b>{name}</b>}
      {pairs.length > 0 && "{"}
      {pairs.map(([label, value], index) => (
        <span key={label}>
          {index > 0 && ", "}
          <i>{label}</i>="{escapeValue(value)}"
        </span>
      ))}
      {pairs.length > 0 && "}"}
    </span>
  );
}

type Order = "server" | "up" | "down";
const NEXT: Readonly<Record<Order, Order>> = { server: "down", down: "up", up: "server" };
const ARIA = { server: "none", up: "ascending", down: "descending" } as const;

export function TableResult({ reply, atMs }: { readonly reply: Reply<QueryResult>; readonly atMs: number }) {
  const [limit, setLimit] = useState(ROWS_AT_FIRST);
  const [order, setOrder] = useState<Order>("server");
  const rows = resultRows(reply.data);
  if (rows.length === 0) return <NoData height={160} text={t("query.empty")} />;
  const sorted = order === "server" ? rows : rows.toSorted((a, b) => (order === "up" ? a.sort - b.sort : b.sort - a.sort));
  const shown = sorted.slice(0, limit);
  const language = locale.value;
  return (
    <>
      <div class="table-scroll" tabIndex={0} role="region" aria-label={t("query.tab.table")}>
        <table class="table result-table" data-table="result">
          <thead>
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
          </thead>
          <tbody>
            {shown.map((row, index) => (
              <tr key={index}>
                <td class="mono">
                  <MetricName labels={row.labels} />
                </td>
                <td class="num mono result-value">{row.value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > shown.length && (
        <p class="notice">
          {t("query.truncated", { shown: formatNumber(shown.length, language, 0), total: formatNumber(rows.length, language, 0) })}{" "}
          {limit < ROWS_AT_MOST && (
            <button type="button" class="link-button" onClick={() => setLimit(ROWS_AT_MOST)}>
              {t("query.showMore", { count: formatNumber(Math.min(rows.length, ROWS_AT_MOST), language, 0) })}
            </button>
          )}
        </p>
      )}
    </>
  );
}

/** Asks for one instant. */
export function loadTable(expr: string, atMs: number, stop: AbortSignal): Promise<Reply<QueryResult>> {
  return api.query(expr, atMs / 1000, stop);
}
