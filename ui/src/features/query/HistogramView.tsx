// A native histogram in a table cell: count, sum, and the shape of its buckets.
import type { HistogramValue } from "../../api/types";
import { locale } from "../../app/settings";
import { t } from "../../i18n";
import { formatNumber, formatRaw } from "../../lib/format";

const WIDTH = 160;
const HEIGHT = 28;
const OPEN = ["(", "[", "(", "["] as const;
const CLOSE = ["]", ")", ")", "]"] as const;

export function HistogramView({ value }: { readonly value: HistogramValue }) {
  const language = locale.value;
  const most = Math.max(1e-300, ...value.buckets.map((bucket) => bucket.count));
  const step = WIDTH / Math.max(1, value.buckets.length);
  return (
    <details class="histogram-value">
      <summary>
        <span class="num">{t("query.histogram", { count: formatNumber(value.count, language), sum: formatNumber(value.sum, language) })}</span>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
          {value.buckets.map((bucket, index) => {
            const height = Math.max(1, (Math.max(0, bucket.count) / most) * HEIGHT);
            return <rect key={index} x={index * step} y={HEIGHT - height} width={Math.max(0.5, step - 1)} height={height} />;
          })}
        </svg>
      </summary>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{t("query.histogram.bucket")}</th>
            <th scope="col" class="num">
              {t("query.histogram.count")}
            </th>
          </tr>
        </thead>
        <tbody>
          {value.buckets.map(({ rule, low, high, count }) => (
            <tr key={`${low} ${high}`}>
              <td class="mono">
                {OPEN[rule] ?? "("}
                {formatRaw(low)}, {formatRaw(high)}
                {CLOSE[rule] ?? "]"}
              </td>
              <td class="num mono">{formatRaw(count)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
