// One silence, and what it keeps quiet now.
import { useMemo } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { href, search } from "../../app/router";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { Facts } from "../../components/Facts";
import { PageHead } from "../../components/PageHead";
import { ErrorNote, Skeleton } from "../../components/States";
import { t } from "../../i18n";
import { formatInstant } from "../../lib/time";
import { AffectedAlerts } from "./AffectedAlerts";
import { amApi } from "./amApi";
import { fromWire } from "./matchers";
import { ExpireButton, SilenceMatchers, silenceSpan } from "./SilencesPage";

const EVERY_MS = 10_000;

export function SilencePage() {
  const id = useMemo(() => new URLSearchParams(search.value).get("id") ?? "", [search.value]);
  const { nowMs, poke } = useClock(EVERY_MS);
  const { state } = useLoad(`silence ${id}`, nowMs, (stop) => amApi.silence(id, stop));
  const silence = lastGood(state);
  const language = locale.value;
  const instant = (text: string): string => formatInstant(Date.parse(text), language);
  return (
    <>
      <PageHead title={t("silence.title")}>
        {silence !== undefined && (
          <>
            <a class="button" href={href("silenceForm", new URLSearchParams({ id }))}>
              {t(silence.state === "expired" ? "silence.recreate" : "silence.edit")}
            </a>
            {silence.state !== "expired" && <ExpireButton id={id} onDone={poke} />}
          </>
        )}
      </PageHead>
      {state.kind === "loading" && <Skeleton height={240} />}
      {state.kind === "failed" && silence === undefined && <ErrorNote error={state.error} />}
      {silence !== undefined && (
        <div class="target-pools">
          <section class="card">
            <Facts
              rows={[
                [t("alert.state"), <span key="s" class={`badge is-${{ active: "ok", pending: "warn", expired: "none" }[silence.state]}`} data-silence-state={silence.state}>{t(`silence.state.${silence.state}`)}</span>],
                [t("silence.matchers"), <SilenceMatchers key="m" silence={silence} />],
                [t("silence.time"), `${instant(silence.startsAt)} – ${instant(silence.endsAt)} (${silenceSpan(silence, nowMs)})`],
                [t("silence.by"), silence.createdBy],
                [t("silence.comment"), silence.comment],
                [t("silence.changed"), instant(silence.updatedAt)],
                ["ID", <code key="i">{silence.id}</code>],
              ]}
            />
          </section>
          <section class="card">
            <h2>{t("silence.affected")}</h2>
            <AffectedAlerts matchers={silence.matchers.map(fromWire)} />
          </section>
        </div>
      )}
    </>
  );
}
