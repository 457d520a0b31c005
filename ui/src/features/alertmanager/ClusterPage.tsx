// The Alertmanager itself: uptime, cluster, version, configuration.
import { lastGood, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { CopyButton } from "../../components/CopyButton";
import { Facts } from "../../components/Facts";
import { PageHead } from "../../components/PageHead";
import { ErrorNote, Skeleton } from "../../components/States";
import { Yaml } from "../../components/Yaml";
import { t } from "../../i18n";
import { formatSpan } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import { amApi } from "./amApi";

const EVERY_MS = 15_000;
const LOOKS: Readonly<Record<string, string>> = { ready: "ok", settling: "warn" };

export function ClusterPage() {
  const { nowMs } = useClock(EVERY_MS);
  const { state } = useLoad("am status", nowMs, (stop) => amApi.status(stop));
  const status = lastGood(state);
  const started = Date.parse(status?.uptime ?? "");
  return (
    <>
      <PageHead title={t("nav.status")} />
      {state.kind === "loading" && <Skeleton height={320} />}
      {state.kind === "failed" && status === undefined && <ErrorNote error={state.error} />}
      {status !== undefined && (
        <div class="target-pools">
          <section class="card">
            <Facts
              rows={[
                [t("status.started"), `${formatInstant(started, locale.value)} (${formatSpan((nowMs - started) / 1000, locale.value)})`],
                [t("am.version"), status.versionInfo["version"] ?? "–"],
                [t("am.cluster"), <span key="c" class={`badge is-${LOOKS[status.cluster.status] ?? "none"}`}>{status.cluster.status}</span>],
                ...(status.cluster.name === "" ? [] : [[t("am.cluster.name"), <code key="n">{status.cluster.name}</code>] as const]),
                ...status.cluster.peers.map((peer) => [t("am.cluster.peer"), <span key={peer.name}><code>{peer.name}</code> <span class="muted">{peer.address}</span></span>] as const),
              ]}
            />
          </section>
          <section class="drop-rule">
            <header>
              <h2>{t("nav.config")}</h2>
              <CopyButton text={status.config.original} />
            </header>
            <Yaml text={status.config.original} label={t("nav.config")} />
          </section>
        </div>
      )}
    </>
  );
}
