// What is suspicious about the query being typed, with the mend where there is one.
import { Icon } from "../../components/Icon";
import { t } from "../../i18n";
import type { Finding } from "./queryApi";
import { indexOfByte } from "./queryError";

/** Returns the text with a finding's mend applied. */
export function mended(text: string, finding: Finding): string {
  if (finding.replacement === null) return text;
  return text.slice(0, indexOfByte(text, finding.start)) + finding.replacement + text.slice(indexOfByte(text, finding.end));
}

export function Findings({ findings, text, onMend }: { readonly findings: readonly Finding[]; readonly text: string; readonly onMend: (text: string) => void }) {
  if (findings.length === 0) return null;
  return (
    <ul class="notes findings" aria-label={t("query.findings")}>
      {findings.map((finding) => (
        <li key={`${finding.code} ${finding.start}`} class={finding.severity === "warning" ? "note is-warn" : "note is-info"} data-finding={finding.code}>
          <Icon name={finding.severity === "warning" ? "alert" : "info"} />
          <span>
            {finding.message}
            {finding.suggestion !== "" && <span class="muted"> — {finding.suggestion}</span>}
          </span>
          {finding.replacement !== null && (
            <button type="button" class="link-button" onClick={() => onMend(mended(text, finding))}>
              {t("query.mend")}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
