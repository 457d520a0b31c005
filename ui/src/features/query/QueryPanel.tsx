// One query: the editor, when to evaluate, and the answer as table or graph.
import { normalizeProps, useMachine } from "@zag-js/preact";
import * as tabs from "@zag-js/tabs";
import { lazy, Suspense } from "preact/compat";
import { useEffect, useId, useMemo, useState } from "preact/hooks";
import { type Reply, serverNow } from "../../api/client";
import { lastGood, type Loaded, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import { Icon } from "../../components/Icon";
import { ErrorNote, Skeleton } from "../../components/States";
import { t } from "../../i18n";
import { formatUnit } from "../../lib/format";
import { type GraphAnswer, GraphResult, loadGraph } from "./GraphResult";
import { readPosition } from "./queryError";
import { QueryErrorPlace } from "./QueryErrorPlace";
import type { PanelState, Tab } from "./queryUrl";
import { loadTable, TableResult } from "./TableResult";
import { TimeControls } from "./TimeControls";
import { Examples } from "./Examples";

const PromqlEditor = lazy(() => import("./PromqlEditor").then((module) => module.PromqlEditor));

interface Props {
  readonly panel: PanelState;
  readonly onChange: (change: Partial<PanelState>) => void;
  readonly onRemove: (() => void) | null;
}

type Answer = { readonly tab: "table"; readonly reply: Reply<Parameters<typeof TableResult>[0]["reply"]["data"]>; readonly atMs: number } | ({ readonly tab: "graph" } & GraphAnswer);

/** Loads what the tab shows and how long that took, in seconds. */
function useAnswer(panel: PanelState, ranAtMs: number): Loaded<{ answer: Answer; tookS: number }> {
  const when = panel.tab === "table" ? `${panel.endMs ?? "now"}` : `${panel.endMs ?? "now"} ${panel.rangeMs} ${panel.stepS ?? ""}`;
  const subject = panel.expr.trim() === "" ? null : `${panel.tab} ${when} ${panel.expr}`;
  return useLoad(subject, ranAtMs, async (stop) => {
    const started = performance.now();
    const atMs = panel.endMs ?? ranAtMs;
    const answer: Answer = panel.tab === "table" ? { tab: "table", reply: await loadTable(panel.expr, atMs, stop), atMs } : { tab: "graph", ...(await loadGraph(panel, ranAtMs, stop)) };
    return { answer, tookS: (performance.now() - started) / 1000 };
  });
}

function Notes({ reply }: { readonly reply: Reply<unknown> }) {
  if (reply.warnings.length + reply.infos.length === 0) return null;
  return (
    <ul class="notes">
      {reply.warnings.map((text) => (
        <li key={text} class="note is-warn">
          <Icon name="alert" />
          <span>{text}</span>
        </li>
      ))}
      {reply.infos.map((text) => (
        <li key={text} class="note is-info">
          <Icon name="info" />
          <span>{text}</span>
        </li>
      ))}
    </ul>
  );
}

export function QueryPanel({ panel, onChange, onRemove }: Props) {
  const [draft, setDraft] = useState(panel.expr);
  const [ranAtMs, setRanAt] = useState(serverNow);
  useEffect(() => setDraft(panel.expr), [panel.expr]);
  const { state, busy } = useAnswer(panel, ranAtMs);
  const loaded = panel.expr.trim() === "" ? undefined : lastGood(state);
  const failure = panel.expr.trim() !== "" && state.kind === "failed" ? state.error : null;
  const mistake = useMemo(() => (failure === null || failure.errorType !== "bad_data" ? null : readPosition(failure.message)), [failure]);
  const run = (text: string): void => {
    setRanAt(serverNow());
    if (text !== panel.expr) onChange({ expr: text });
  };
  const service = useMachine(tabs.machine, {
    id: useId(),
    value: panel.tab,
    onValueChange: ({ value }) => {
      const tab: Tab = value === "graph" ? "graph" : "table";
      if (tab !== panel.tab) onChange({ tab });
    },
  });
  const ui = tabs.connect(service, normalizeProps);
  return (
    <section class="card query-panel" aria-label={t("query.panel")} aria-busy={busy} {...ui.getRootProps()}>
      <div class="query-bar">
        <div class="query-editor">
          <Suspense fallback={<div class="editor-wait mono">{draft}</div>}>
            <PromqlEditor value={draft} label={t("query.editor")} hint={t("query.hint")} mistake={mistake} onChange={setDraft} onRun={run} />
          </Suspense>
        </div>
        <button type="button" class="button button-primary" onClick={() => run(draft)} disabled={draft.trim() === ""}>
          <Icon name="play" />
          {t("query.run")}
        </button>
        {onRemove !== null && (
          <button type="button" class="button button-icon" aria-label={t("query.remove")} title={t("query.remove")} onClick={onRemove}>
            <Icon name="close" />
          </button>
        )}
      </div>
      <div class="query-controls">
        <div class="tabs" {...ui.getListProps()}>
          {(["table", "graph"] as const).map((tab) => (
            <button key={tab} class="tab" {...ui.getTriggerProps({ value: tab })}>
              {t(`query.tab.${tab}`)}
            </button>
          ))}
        </div>
        <TimeControls panel={panel} onChange={onChange} />
        <span class="query-took num" aria-live="polite">
          {loaded !== undefined && formatUnit(loaded.tookS, "seconds", locale.value)}
        </span>
      </div>
      <div {...ui.getContentProps({ value: panel.tab })} key={panel.tab}>
        {panel.expr.trim() === "" && <Examples onPick={run} />}
        {panel.expr.trim() !== "" && state.kind === "loading" && <Skeleton height={200} />}
        {failure !== null && <ErrorNote error={failure}>{mistake !== null && <QueryErrorPlace expr={panel.expr} position={mistake} />}</ErrorNote>}
        {loaded !== undefined && failure === null && <Notes reply={loaded.answer.reply} />}
        {loaded !== undefined && failure === null && loaded.answer.tab === "table" && <TableResult reply={loaded.answer.reply} atMs={loaded.answer.atMs} />}
        {loaded !== undefined && failure === null && loaded.answer.tab === "graph" && (
          <GraphResult answer={loaded.answer} panel={panel} onZoom={(from, to) => onChange({ endMs: Math.round(to) * 1000, rangeMs: Math.max(10, Math.round(to - from)) * 1000, stepS: null })} />
        )}
      </div>
    </section>
  );
}
