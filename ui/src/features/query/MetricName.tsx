// A series, its parts told apart by colour.
import type { Labels } from "../../api/types";
import { escapeValue, metricParts } from "./metricText";

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
