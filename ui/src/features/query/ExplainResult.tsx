// The explain tab: the plan as a tree with what each node cost, and what the chosen node gives.
import { useMemo, useState } from "preact/hooks";
import { api } from "../../api/client";
import { lastGood, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import { ErrorNote, Skeleton } from "../../components/States";
import { plural, t } from "../../i18n";
import { formatNumber, formatUnit } from "../../lib/format";
import { MetricName } from "./MetricName";
import { describeNode, labelCounts, planDepths } from "./planView";
import type { Plan, PlanNode } from "./queryApi";

const EXAMPLES = 5;

function Cells({ node, totalS }: { readonly node: PlanNode; readonly totalS: number }) {
  const language = locale.value;
  const count = (value: number): string => formatUnit(value, "short", language);
  const { actual, estimate } = node;
  const share = actual === null || totalS <= 0 ? 0 : actual.selfTime / totalS;
  return (
    <>
      <td class="num" title={t("query.explain.estimated", { count: count(estimate.series) })}>
        {count(actual?.series ?? estimate.series)}
      </td>
      <td class="num">{count(actual?.samples ?? estimate.samples)}</td>
      <td class="num">{formatUnit(Math.max(actual?.memoryBytes ?? 0, estimate.memoryBytes), "bytes", language)}</td>
      <td class="num">{actual === null ? "–" : formatUnit(actual.time, "seconds", language)}</td>
      <td class="num self-cell">
        <span>{actual === null ? "–" : formatUnit(share, "ratio", language, 0)}</span>
        <svg class="self-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
          <rect class="self-rest" width="100" height="6" />
          <rect class="self-part" width={Math.min(100, share * 100)} height="6" />
        </svg>
      </td>
    </>
  );
}

/** What one node gives by itself: how many series, and which labels tell them apart. */
function NodeDetail({ node, atMs }: { readonly node: PlanNode; readonly atMs: number }) {
  const isVector = node.valueType === "vector" || node.valueType === "matrix";
  const expr = node.valueType === "matrix" ? `last_over_time(${node.query})` : node.query;
  const { state } = useLoad(isVector ? `node ${expr} ${atMs}` : null, 0, async (stop) => (await api.query(expr, atMs / 1000, stop)).data);
  const loaded = lastGood(state);
  const samples = loaded?.kind === "vector" ? loaded.samples : [];
  const counts = useMemo(() => labelCounts(samples.map((sample) => sample.labels)), [loaded]);
  const language = locale.value;
  return (
    <div class="node-detail" aria-live="polite">
      <h3 class="mono">{node.query}</h3>
      <p class="muted">{t(describeNode(node))}</p>
      {node.labels !== null && <p class="muted">{node.labels.length === 0 ? t("query.explain.noLabels") : t("query.explain.labels", { labels: node.labels.join(", ") })}</p>}
      {node.stepInvariant && <p class="muted">{t("query.explain.invariant")}</p>}
      {isVector && state.kind === "loading" && <Skeleton height={60} />}
      {state.kind === "failed" && <ErrorNote error={state.error} />}
      {loaded?.kind === "vector" && (
        <>
          <h4>{plural("query.series.one", "query.series.other", samples.length, formatNumber(samples.length, language, 0))}</h4>
          <ul class="label-counts">
            {counts.map(({ name, values }) => (
              <li key={name}>
                <code>{name}</code> <b class="num">{formatNumber(values, language, 0)}</b>
              </li>
            ))}
          </ul>
          <ul class="node-samples mono">
            {samples.slice(0, EXAMPLES).map((sample, index) => (
              <li key={index}>
                <MetricName labels={sample.labels} />
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

export function ExplainResult({ plan, atMs }: { readonly plan: Plan; readonly atMs: number }) {
  const [chosen, setChosen] = useState(0);
  const depths = useMemo(() => planDepths(plan.nodes), [plan]);
  const node = plan.nodes.find((one) => one.id === chosen) ?? plan.nodes[0];
  const totalS = plan.nodes[0]?.actual?.time ?? 0;
  const rules = Object.entries(plan.rules);
  if (node === undefined) return null;
  return (
    <div class="explain">
      <div class="table-scroll" tabIndex={0} role="region" aria-label={t("query.tab.explain")}>
        <table class="table plan-table" data-table="plan">
          <thead>
            <tr>
              <th scope="col">{t("query.explain.node")}</th>
              {(["series", "samples", "memory", "time", "self"] as const).map((column) => (
                <th key={column} scope="col" class="num">
                  {t(`query.explain.${column}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {plan.nodes.map((one) => (
              <tr key={one.id} class={one.id === node.id ? "is-chosen" : undefined}>
                <td>
                  <button type="button" class="plan-node" aria-pressed={one.id === node.id} style={{ paddingInlineStart: `${8 + 18 * (depths.get(one.id) ?? 0)}px` }} onClick={() => setChosen(one.id)}>
                    <span class="badge">{one.operator}</span> <code>{one.query}</code>
                  </button>
                </td>
                <Cells node={one} totalS={totalS} />
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rules.length > 0 && <p class="notice">{t("query.explain.rules", { rules: rules.map(([name, times]) => `${name} (${times})`).join(", ") })}</p>}
      <NodeDetail key={`${node.id} ${node.query}`} node={node} atMs={atMs} />
    </div>
  );
}
