// Making, changing and making again a silence, with what it would keep quiet.
import { useEffect, useMemo, useState } from "preact/hooks";
import { serverNow } from "../../api/client";
import { lastGood, useLoad } from "../../api/useLoad";
import { href, navigate, search } from "../../app/router";
import { store, stored } from "../../app/settings";
import { PageHead } from "../../components/PageHead";
import { ErrorNote, Skeleton } from "../../components/States";
import { t } from "../../i18n";
import { formatDuration } from "../../lib/duration";
import { fromInputValue, toInputValue } from "../../lib/time";
import { AffectedAlerts } from "./AffectedAlerts";
import { amApi } from "./amApi";
import { MatcherRows } from "./MatcherRows";
import { parseMatchers } from "./matchers";
import { type Draft, draftOf, endAfter, faultsOf, newDraft, toSend } from "./silenceDraft";

const CREATOR = "watchfire.creator";
const LENGTHS = ["30m", "1h", "2h", "8h", "1d", "7d"] as const;

function Times({ draft, onChange }: { readonly draft: Draft; readonly onChange: (change: Partial<Draft>) => void }) {
  const length = formatDuration(Math.max(0, draft.endMs - draft.startMs));
  const [text, setText] = useState(length);
  useEffect(() => setText(length), [length]);
  const setLength = (next: string): void => {
    const end = endAfter(draft.startMs, next);
    if (end !== null) onChange({ endMs: end });
  };
  return (
    <div class="silence-times">
      <label>
        {t("silence.start")}
        <input class="input" type="datetime-local" step="1" value={toInputValue(draft.startMs)} onChange={(event) => onChange({ startMs: fromInputValue(event.currentTarget.value) ?? draft.startMs })} />
      </label>
      <label>
        {t("silence.length")}
        <input class="input" value={text} aria-invalid={endAfter(draft.startMs, text) === null} onInput={(event) => setText(event.currentTarget.value)} onChange={() => setLength(text)} />
      </label>
      <label>
        {t("silence.end")}
        <input class="input" type="datetime-local" step="1" value={toInputValue(draft.endMs)} onChange={(event) => onChange({ endMs: fromInputValue(event.currentTarget.value) ?? draft.endMs })} />
      </label>
      <div class="silence-lengths" role="group" aria-label={t("silence.length")}>
        {LENGTHS.map((one) => (
          <button key={one} type="button" class="chip" aria-pressed={length === one} onClick={() => setLength(one)}>
            {one}
          </button>
        ))}
      </div>
    </div>
  );
}

function Form({ first }: { readonly first: Draft }) {
  const [draft, setDraft] = useState(first);
  const [tried, setTried] = useState(false);
  const [failure, setFailure] = useState("");
  const faults = faultsOf(draft, serverNow());
  const change = (next: Partial<Draft>): void => setDraft((now) => ({ ...now, ...next }));
  const send = (): void => {
    setTried(true);
    if (faults.length > 0) return;
    store(CREATOR, draft.createdBy);
    amApi.save(toSend(draft), new AbortController().signal).then(
      ({ silenceID }) => navigate(href("silence", new URLSearchParams({ id: silenceID }))),
      (error: unknown) => setFailure(error instanceof Error ? error.message : String(error)),
    );
  };
  const complete = draft.matchers.filter((one) => one.name.trim() !== "");
  return (
    <div class="silence-form">
      <form
        class="card"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <h2>{t("silence.matchers")}</h2>
        <MatcherRows matchers={draft.matchers} onChange={(matchers) => change({ matchers })} />
        <h2>{t("silence.time")}</h2>
        <Times draft={draft} onChange={change} />
        <h2>{t("silence.reason")}</h2>
        <label>
          {t("silence.by")}
          <input class="input" required value={draft.createdBy} onInput={(event) => change({ createdBy: event.currentTarget.value })} />
        </label>
        <label>
          {t("silence.comment")}
          <textarea class="input" required rows={3} value={draft.comment} onInput={(event) => change({ comment: event.currentTarget.value })} />
        </label>
        {tried && faults.length > 0 && (
          <ul class="form-error" role="alert">
            {faults.map((fault) => (
              <li key={fault}>{t(`silence.fault.${fault}`)}</li>
            ))}
          </ul>
        )}
        {failure !== "" && (
          <p class="form-error" role="alert">
            {failure}
          </p>
        )}
        <button type="submit" class="button button-primary">
          {t(draft.id === null ? "silence.create" : "silence.save")}
        </button>
      </form>
      <section class="card">
        <h2>{t("silence.preview")}</h2>
        <AffectedAlerts matchers={complete} />
      </section>
    </div>
  );
}

export function SilenceFormPage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const id = params.get("id");
  const { state } = useLoad(id === null ? null : `silence ${id}`, 0, (stop) => amApi.silence(id ?? "", stop));
  const silence = lastGood(state);
  const first = useMemo(() => {
    const nowMs = Math.floor(serverNow() / 1000) * 1000;
    if (id !== null) return silence === undefined ? null : draftOf(silence, nowMs);
    return newDraft(parseMatchers(params.get("filter") ?? "") ?? [], params.get("comment") ?? "", stored(CREATOR) ?? "", nowMs);
  }, [id, silence, params]);
  const isEdit = first !== null && first.id !== null;
  return (
    <>
      <PageHead title={t(isEdit ? "silence.editing" : "silence.new")} />
      {id !== null && state.kind === "failed" && <ErrorNote error={state.error} />}
      {first === null && state.kind === "loading" && <Skeleton height={320} />}
      {first !== null && <Form key={`${id ?? ""} ${search.value}`} first={first} />}
    </>
  );
}
