// One query: the editor, when to evaluate, and the answer as table, graph or explanation.
import { normalizeProps, useMachine } from "@zag-js/preact";
import * as tabs from "@zag-js/tabs";
import { lazy, Suspense } from "preact/compat";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { type Reply, serverNow } from "../../api/client";
import { lastGood } from "../../api/useLoad";
import { ErrorNote, Skeleton } from "../../components/States";
import { Icon, type IconName } from "../../components/Icon";
import { t } from "../../i18n";
import { AnswerBar } from "./AnswerBar";
import { Examples } from "./Examples";
import { ExplainResult } from "./ExplainResult";
import { Findings } from "./Findings";
import { GraphResult } from "./GraphResult";
import { remember } from "./history";
import { type Finding, queryApi } from "./queryApi";
import { readPosition } from "./queryError";
import { QueryErrorPlace } from "./QueryErrorPlace";
import { type PanelState, TABS } from "./queryUrl";
import { TableResult } from "./TableResult";
import { TimeControls } from "./TimeControls";
import { type Answer, useAnswer } from "./useAnswer";

const PromqlEditor = lazy(() => import("./PromqlEditor").then((module) => module.PromqlEditor));

interface Props {
  readonly panel: PanelState;
  /** The page's clock (ms): another value runs the query anew. */
  readonly tickMs: number;
  readonly onChange: (change: Partial<PanelState>) => void;
  readonly onDuplicate: () => void;
  readonly onRemove: (() => void) | null;
}

function Notes({ reply }: { readonly reply: Reply<unknown> }) {
  if (reply.warnings.length + reply.infos.length === 0) return null;
  const all = [...reply.warnings.map((text) => ({ text, kind: "warn" as const })), ...reply.infos.map((text) => ({ text, kind: "info" as const }))];
  return (
    <ul class="notes">
      {all.map(({ text, kind }) => (
        <li key={text} class={`note is-${kind}`}>
          <Icon name={kind === "warn" ? "alert" : "info"} />
          <span>{text}</span>
        </li>
      ))}
    </ul>
  );
}

function Result({ answer, panel, onChange }: { readonly answer: Answer; readonly panel: PanelState; readonly onChange: Props["onChange"] }) {
  switch (answer.tab) {
    case "table":
      return <TableResult reply={answer.reply} atMs={answer.atMs} />;
    case "graph":
      return <GraphResult answer={answer} panel={panel} onZoom={(from, to) => onChange({ endMs: Math.round(to) * 1000, rangeMs: Math.max(10, Math.round(to - from)) * 1000, stepS: null })} />;
    case "explain":
      return <ExplainResult plan={answer.reply.data} atMs={answer.atMs} />;
  }
}

function ToolButton({ icon, label, onClick, disabled }: { readonly icon: IconName; readonly label: string; readonly onClick: () => void; readonly disabled?: boolean }) {
  return (
    <button type="button" class="button button-icon" aria-label={label} title={label} onClick={onClick} disabled={disabled}>
      <Icon name={icon} />
    </button>
  );
}

/** Keeps the text being typed, and what the server says about it. */
function useDraft(expr: string, onFormatted: (expr: string) => void) {
  const [draft, setDraft] = useState(expr);
  const [findings, setFindings] = useState<readonly Finding[]>([]);
  useEffect(() => setDraft(expr), [expr]);
  const formatting = useRef<AbortController | null>(null);
  const format = (): void => {
    formatting.current?.abort();
    const controller = new AbortController();
    formatting.current = controller;
    // What cannot be parsed stays as it is; running it says why.
    queryApi.format(draft, controller.signal).then(
      (reply) => {
        if (draft === expr) onFormatted(reply.data);
        else setDraft((now) => (now === draft ? reply.data : now));
      },
      () => undefined,
    );
  };
  return { draft, setDraft, findings, setFindings, format };
}

export function QueryPanel({ panel, tickMs, onChange, onDuplicate, onRemove }: Props) {
  const { draft, setDraft, findings, setFindings, format } = useDraft(panel.expr, (expr) => onChange({ expr }));
  const [ranAtMs, setRanAt] = useState(serverNow);
  const { state, busy } = useAnswer(panel, Math.max(ranAtMs, tickMs));
  const isEmpty = panel.expr.trim() === "";
  const loaded = isEmpty ? undefined : lastGood(state);
  const failure = !isEmpty && state.kind === "failed" ? state.error : null;
  const mistake = useMemo(() => (failure === null || failure.errorType !== "bad_data" ? null : readPosition(failure.message)), [failure]);
  const run = (text: string): void => {
    setRanAt(serverNow());
    remember(text);
    if (text !== panel.expr) onChange({ expr: text });
  };
  const service = useMachine(tabs.machine, {
    id: useId(),
    value: panel.tab,
    onValueChange: ({ value }) => {
      const tab = TABS.find((known) => known === value) ?? "table";
      if (tab !== panel.tab) onChange({ tab });
    },
  });
  const ui = tabs.connect(service, normalizeProps);
  const answer = failure === null ? loaded?.answer : undefined;
  return (
    <section class="card query-panel" aria-label={t("query.panel")} aria-busy={busy} {...ui.getRootProps()}>
      <div class="query-bar">
        <div class="query-editor">
          <Suspense fallback={<div class="editor-wait mono">{draft}</div>}>
            <PromqlEditor value={draft} label={t("query.editor")} hint={t("query.hint")} mistake={mistake} onChange={setDraft} onRun={run} onFindings={setFindings} />
          </Suspense>
        </div>
        <button type="button" class="button button-primary" onClick={() => run(draft)} disabled={draft.trim() === ""}>
          <Icon name="play" />
          {t("query.run")}
        </button>
        <div class="button-group">
          <ToolButton icon="format" label={t("query.format")} onClick={format} disabled={draft.trim() === ""} />
          <ToolButton icon="copy" label={t("query.duplicate")} onClick={onDuplicate} />
          {onRemove !== null && <ToolButton icon="close" label={t("query.remove")} onClick={onRemove} />}
        </div>
      </div>
      <Findings findings={findings} text={draft} onMend={run} />
      <div class="query-controls">
        <div class="tabs" {...ui.getListProps()}>
          {TABS.map((tab) => (
            <button key={tab} class="tab" {...ui.getTriggerProps({ value: tab })}>
              {t(`query.tab.${tab}`)}
            </button>
          ))}
        </div>
        <TimeControls panel={panel} onChange={onChange} />
      </div>
      <div {...ui.getContentProps({ value: panel.tab })} key={panel.tab}>
        {isEmpty && <Examples onPick={run} />}
        {!isEmpty && state.kind === "loading" && <Skeleton height={200} />}
        {failure !== null && <ErrorNote error={failure}>{mistake !== null && <QueryErrorPlace expr={panel.expr} position={mistake} />}</ErrorNote>}
        {answer !== undefined && <Notes reply={answer.reply} />}
        {answer !== undefined && <Result answer={answer} panel={panel} onChange={onChange} />}
      </div>
      <AnswerBar answer={answer} tookS={loaded?.tookS} />
    </section>
  );
}
