// What to try first, on an empty query.
import { t } from "../../i18n";

const EXAMPLES = [
  ["query.example.up", "up"],
  ["query.example.cpu", 'sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[1m]))'],
  ["query.example.memory", "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"],
  ["query.example.cardinality", 'topk(10, count by (__name__) ({__name__=~".+"}))'],
] as const;

export function Examples({ onPick }: { readonly onPick: (expr: string) => void }) {
  return (
    <div class="examples">
      <h3>{t("query.examples")}</h3>
      <ul>
        {EXAMPLES.map(([label, expr]) => (
          <li key={label}>
            <button type="button" class="example" onClick={() => onPick(expr)}>
              <span>{t(label)}</span>
              <code>{expr}</code>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
