// How long an answer took, how large it is, and taking it away as a file.
import { locale } from "../../app/settings";
import { Icon } from "../../components/Icon";
import { plural, t } from "../../i18n";
import { download } from "../../lib/download";
import { formatNumber, formatUnit } from "../../lib/format";
import { resultCsv, resultJson } from "./exportResult";
import type { Answer } from "./useAnswer";

function seriesOf(answer: Answer): number | null {
  if (answer.tab === "explain") return null;
  const { data } = answer.reply;
  return data.kind === "vector" ? data.samples.length : data.kind === "matrix" ? data.frames.length : 1;
}

export function AnswerBar({ answer, tookS }: { readonly answer: Answer | undefined; readonly tookS: number | undefined }) {
  const language = locale.value;
  const series = answer === undefined ? null : seriesOf(answer);
  const data = answer === undefined || answer.tab === "explain" ? null : answer.reply.data;
  if (answer === undefined) return null;
  return (
    <div class="answer-bar">
      <span class="query-took num" aria-live="polite">
        {tookS !== undefined && formatUnit(tookS, "seconds", language)}
        {series !== null && ` · ${plural("query.series.one", "query.series.other", series, formatNumber(series, language, 0))}`}
      </span>
      {data !== null && (
        <div class="button-group">
          <button type="button" class="button button-small" title={t("query.export", { format: "CSV" })} onClick={() => download("watchfire.csv", "text/csv", resultCsv(data))}>
            <Icon name="download" />
            CSV
          </button>
          <button type="button" class="button button-small" title={t("query.export", { format: "JSON" })} onClick={() => download("watchfire.json", "application/json", resultJson(data))}>
            JSON
          </button>
        </div>
      )}
    </div>
  );
}
