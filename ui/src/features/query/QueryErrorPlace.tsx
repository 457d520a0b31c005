// The line of a query that is wrong, with a mark under the place.
import { t } from "../../i18n";
import type { QueryPosition } from "./queryError";

export function QueryErrorPlace({ expr, position }: { readonly expr: string; readonly position: QueryPosition }) {
  const line = expr.split("\n")[position.line - 1] ?? "";
  const before = line.slice(0, position.column - 1);
  const at = line.slice(position.column - 1, position.column);
  return (
    <div class="error-place">
      <span class="badge is-bad">{t("error.at", { line: position.line, column: position.column })}</span>
      <code>
        {before}
        <mark>{at === "" ? "\u00a0" : at}</mark>
        {line.slice(position.column)}
      </code>
    </div>
  );
}
