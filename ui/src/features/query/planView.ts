// What the explain tab says about a plan.
import type { Labels } from "../../api/types";
import type { PlainKey } from "../../i18n";
import type { PlanNode } from "./queryApi";

/** Returns how deep each node lies, by its id; parents stand before their children. */
export function planDepths(nodes: readonly PlanNode[]): Map<number, number> {
  const depths = new Map<number, number>();
  for (const node of nodes) depths.set(node.id, node.parent === null ? 0 : (depths.get(node.parent) ?? 0) + 1);
  return depths;
}

// By how the server calls its operators.
const KINDS: readonly (readonly [start: string, text: PlainKey])[] = [
  ["aggregate", "query.explain.kind.aggregate"],
  ["join", "query.explain.kind.join"],
  ["set", "query.explain.kind.set"],
  ["union", "query.explain.kind.set"],
  ["scalar", "query.explain.kind.arithmetic"],
  ["elementwise", "query.explain.kind.arithmetic"],
  ["negate", "query.explain.kind.arithmetic"],
  ["call", "query.explain.kind.call"],
  ["range selector", "query.explain.kind.range"],
  ["selector", "query.explain.kind.selector"],
  ["subquery", "query.explain.kind.subquery"],
  ["constant", "query.explain.kind.constant"],
];

/** Returns the sentence for a node's kind. */
export function describeNode(node: PlanNode): PlainKey {
  return KINDS.find(([start]) => node.operator.startsWith(start))?.[1] ?? "query.explain.kind.other";
}

/** Returns how many values each label has over some series, the most first. */
export function labelCounts(all: readonly Labels[]): { name: string; values: number }[] {
  const values = new Map<string, Set<string>>();
  for (const labels of all) {
    for (const [name, value] of Object.entries(labels)) {
      const known = values.get(name) ?? new Set();
      known.add(value);
      values.set(name, known);
    }
  }
  return [...values.entries()].map(([name, known]) => ({ name, values: known.size })).sort((a, b) => b.values - a.values || (a.name < b.name ? -1 : 1));
}
