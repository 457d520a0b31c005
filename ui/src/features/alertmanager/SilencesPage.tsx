// All silences: who quietened what, for how long, and why.
import { useMemo, useState } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { href, search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { FilterBar } from "../../components/FilterBar";
import { Icon } from "../../components/Icon";
import { PageHead } from "../../components/PageHead";
import { ErrorNote, NoData, Skeleton } from "../../components/States";
import { t } from "../../i18n";
import { formatSpan } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import { amApi, type Silence, type SilenceState } from "./amApi";
import { fromWire, matcherText } from "./matchers";

const EVERY_MS = 10_000;
const STATES: readonly SilenceState[] = ["active", "pending", "expired"];

/** Returns when it ends, or will begin, in words. */
export function silenceSpan(silence: Silence, nowMs: number): string {
  const language = locale.value;
  const [starts, ends] = [Date.parse(silence.startsAt), Date.parse(silence.endsAt)];
  if (silence.state === "expired") return t("silence.ended", { span: formatSpan(Math.max(0, nowMs - ends) / 1000, language) });
  if (silence.state === "pending") return t("silence.begins", { span: formatSpan(Math.max(0, starts - nowMs) / 1000, language) });
  return t("silence.left", { span: formatSpan(Math.max(0, ends - nowMs) / 1000, language) });
}

export function SilenceMatchers({ silence }: { readonly silence: Silence }) {
  return (
    <ul class="label-chips">
      {silence.matchers.map((one) => (
        <li key={matcherText(fromWire(one))} class="mono">
          {matcherText(fromWire(one))}
        </li>
      ))}
    </ul>
  );
}

/** Ends a silence; asks twice. */
export function ExpireButton({ id, onDone }: { readonly id: string; readonly onDone: () => void }) {
  const [armed, setArmed] = useState(false);
  const [failure, setFailure] = useState("");
  const click = (): void => {
    if (!armed) {
      setArmed(true);
      return;
    }
    setArmed(false);
    amApi.expire(id, new AbortController().signal).then(onDone, (error: unknown) => setFailure(error instanceof Error ? error.message : String(error)));
  };
  return (
    <>
      <button type="button" class={armed ? "button button-small button-danger" : "button button-small"} onClick={click} onBlur={() => setArmed(false)}>
        {t(armed ? "silence.expire.confirm" : "silence.expire")}
      </button>
      {failure !== "" && <span class="form-error">{failure}</span>}
    </>
  );
}

function Row({ silence, nowMs, onChanged }: { readonly silence: Silence; readonly nowMs: number; readonly onChanged: () => void }) {
  const id = new URLSearchParams({ id: silence.id });
  return (
    <li class="card silence" data-silence={silence.id}>
      <div class="alert-line">
        <SilenceMatchers silence={silence} />
        <span class="num muted" title={`${formatInstant(Date.parse(silence.startsAt), locale.value)} – ${formatInstant(Date.parse(silence.endsAt), locale.value)}`}>
          {silenceSpan(silence, nowMs)}
        </span>
        <span class="alert-actions">
          <a class="button button-small" href={href("silence", id)}>
            {t("silence.view")}
          </a>
          <a class="button button-small" href={href("silenceForm", id)}>
            {t(silence.state === "expired" ? "silence.recreate" : "silence.edit")}
          </a>
          {silence.state !== "expired" && <ExpireButton id={silence.id} onDone={onChanged} />}
        </span>
      </div>
      <p>
        <b>{silence.createdBy}</b> <span class="silence-comment">{silence.comment}</span>
      </p>
    </li>
  );
}

export function SilencesPage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const tab = STATES.find((known) => known === params.get("state")) ?? "active";
  const text = (params.get("q") ?? params.get("filter") ?? "").replace(/^\{|\}$/g, "");
  const { nowMs, poke } = useClock(EVERY_MS);
  const { state } = useLoad("silences", nowMs, (stop) => amApi.silences(stop));
  const loaded = lastGood(state);
  const wanted = text.toLowerCase();
  const fitting = (loaded ?? []).filter((one) => [...one.matchers.map((matcher) => matcherText(fromWire(matcher))), one.createdBy, one.comment, one.id].join(" ").toLowerCase().includes(wanted));
  const shown = fitting.filter((one) => one.state === tab);
  const set = (name: string, value: string): void =>
    updateParams((p) => {
      p.delete("filter");
      if (value === "") p.delete(name);
      else p.set(name, value);
    }, "replace");
  return (
    <>
      <PageHead title={t("nav.silences")}>
        <a class="button button-primary" href={href("silenceForm")}>
          <Icon name="plus" />
          {t("silence.new")}
        </a>
      </PageHead>
      {state.kind === "loading" && <Skeleton height={240} />}
      {state.kind === "failed" && loaded === undefined && <ErrorNote error={state.error} />}
      {loaded !== undefined && (
        <div class="target-pools">
          <FilterBar
            label={t("silence.search")}
            text={text}
            onText={(q) => set("q", q)}
            kindLabel={t("alert.state")}
            kinds={STATES.map((name) => ({ value: name, label: t(`silence.state.${name}`), count: fitting.filter((one) => one.state === name).length }))}
            kind={tab}
            onKind={(name) => set("state", name === null || name === "active" ? "" : name)}
          />
          {shown.length === 0 && <NoData height={160} text={t("silence.none")} />}
          <ul class="silences">
            {shown.map((silence) => (
              <Row key={silence.id} silence={silence} nowMs={nowMs} onChanged={poke} />
            ))}
          </ul>
        </div>
      )}
    </>
  );
}
