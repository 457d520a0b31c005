// What a panel's tab shows, loaded.
import type { Reply } from "../../api/client";
import type { QueryResult } from "../../api/types";
import { type Loaded, useLoad } from "../../api/useLoad";
import type { GraphAnswer } from "./graphData";
import { loadGraph } from "./GraphResult";
import { type Plan, queryApi } from "./queryApi";
import type { PanelState } from "./queryUrl";
import { loadTable } from "./TableResult";

export type Answer =
  | { readonly tab: "table"; readonly reply: Reply<QueryResult>; readonly atMs: number }
  | ({ readonly tab: "graph" } & GraphAnswer)
  | { readonly tab: "explain"; readonly reply: Reply<Plan>; readonly atMs: number };

async function load(panel: PanelState, atMs: number, ranAtMs: number, stop: AbortSignal): Promise<Answer> {
  switch (panel.tab) {
    case "table":
      return { tab: "table", reply: await loadTable(panel.expr, atMs, stop), atMs };
    case "graph":
      return { tab: "graph", ...(await loadGraph(panel, ranAtMs, stop)) };
    case "explain":
      return { tab: "explain", reply: await queryApi.plan(panel.expr, atMs / 1000, stop), atMs };
  }
}

/** Loads what the tab shows and how long that took, in seconds. */
export function useAnswer(panel: PanelState, ranAtMs: number): Loaded<{ answer: Answer; tookS: number }> {
  const instant = panel.endMs ?? "now";
  const when = panel.tab === "graph" ? `${instant} ${panel.rangeMs} ${panel.stepS ?? panel.density} ${panel.exemplars}` : String(instant);
  const subject = panel.expr.trim() === "" ? null : `${panel.tab} ${when} ${panel.expr}`;
  return useLoad(subject, ranAtMs, async (stop) => {
    const started = performance.now();
    const answer = await load(panel, panel.endMs ?? ranAtMs, ranAtMs, stop);
    return { answer, tookS: (performance.now() - started) / 1000 };
  });
}
