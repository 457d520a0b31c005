// What runs here, since when, with what it talks, and which features are on.
import { lastGood, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { Facts } from "../../components/Facts";
import { Icon } from "../../components/Icon";
import { PageHead } from "../../components/PageHead";
import { ErrorNote, Skeleton } from "../../components/States";
import { t } from "../../i18n";
import { formatNumber, formatSpan } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import { statusApi } from "./statusApi";

const EVERY_MS = 15_000;

async function loadStatus(stop: AbortSignal) {
  const [build, runtime, alertmanagers] = await Promise.all([statusApi.build(stop), statusApi.runtime(stop), statusApi.alertmanagers(stop)]);
  // Our own, and not of every version: their absence is no failure of the page.
  const [sources, features] = await Promise.all([statusApi.sources(stop).catch(() => null), statusApi.features(stop).catch(() => null)]);
  return { build: build.data, runtime: runtime.data, alertmanagers: alertmanagers.data, sources: sources?.data.sources ?? [], features: features?.data ?? {} };
}

type Status = Awaited<ReturnType<typeof loadStatus>>;

function instant(text: string | undefined): string {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? "–" : formatInstant(ms, locale.value);
}

function Runtime({ status, nowMs }: { readonly status: Status; readonly nowMs: number }) {
  const { runtime, build } = status;
  const started = Date.parse(runtime["startTime"] ?? "");
  const isReloaded = runtime["reloadConfigSuccess"] === "true";
  const damaged = Number(runtime["corruptionCount"] ?? 0);
  return (
    <>
      <section class="card">
        <h2>{t("status.runtime")}</h2>
        <Facts
          rows={[
            [t("status.started"), `${instant(runtime["startTime"])} (${Number.isNaN(started) ? "–" : formatSpan((nowMs - started) / 1000, locale.value)})`],
            [t("status.reloaded"), <span key="r">{instant(runtime["lastConfigTime"])} <span class={`badge is-${isReloaded ? "ok" : "bad"}`}>{t(isReloaded ? "status.reload.ok" : "status.reload.failed")}</span></span>],
            [t("status.retention"), runtime["storageRetention"] ?? "–"],
            [t("status.corruptions"), <span key="c" class={damaged > 0 ? "badge is-bad" : ""}>{formatNumber(damaged, locale.value, 0)}</span>],
            [t("status.host"), runtime["hostname"] ?? "–"],
            [t("status.folder"), <code key="f">{runtime["CWD"] ?? "–"}</code>],
            [t("status.cpus"), runtime["GOMAXPROCS"] ?? "–"],
            [t("status.tasks"), formatNumber(Number(runtime["goroutineCount"] ?? 0), locale.value, 0)],
          ]}
        />
      </section>
      <section class="card">
        <h2>{t("status.build")}</h2>
        <Facts
          rows={[
            ["Watchfire", build["watchfireVersion"] ?? "–"],
            [t("status.compatible"), `Prometheus ${build["version"] ?? "–"}`],
            [t("status.revision"), <code key="r">{build["revision"] === "" ? "–" : (build["revision"] ?? "–")}</code>],
          ]}
        />
      </section>
    </>
  );
}

function Others({ status }: { readonly status: Status }) {
  const { alertmanagers, sources, features } = status;
  return (
    <>
      <section class="card">
        <h2>{t("status.alertmanagers")}</h2>
        {alertmanagers.activeAlertmanagers.length === 0 && <p class="muted">{t("status.alertmanagers.none")}</p>}
        <ul class="plain-list mono">
          {alertmanagers.activeAlertmanagers.map(({ url }) => (
            <li key={url}>{url}</li>
          ))}
          {alertmanagers.droppedAlertmanagers.map(({ url }) => (
            <li key={url} class="muted">
              {url} <span class="badge">{t("discovery.dropped")}</span>
            </li>
          ))}
        </ul>
      </section>
      {sources.length > 0 && (
        <section class="card">
          <h2>{t("status.sources")}</h2>
          <ul class="plain-list">
            {sources.map((source) => (
              <li key={`${source.mechanism} ${source.scrapePools.join()}`}>
                <span class="badge">{source.mechanism}</span> {source.scrapePools.join(", ")} <span class="muted num">{t("status.sources.targets", { count: formatNumber(source.targets, locale.value, 0) })}</span>
                {source.lastError !== "" && (
                  <p class="target-error">
                    <Icon name="alert" />
                    <span>{source.lastError}</span>
                  </p>
                )}
              </li>
            ))}
          </ul>
        </section>
      )}
      {Object.entries(features).map(([group, switches]) => (
        <section key={group} class="card">
          <h2>{t("status.features", { group })}</h2>
          <ul class="feature-list">
            {Object.entries(switches).map(([name, isOn]) => (
              <li key={name}>
                <span class={`badge is-${isOn ? "ok" : "none"}`}>{t(isOn ? "status.on" : "status.off")}</span> <code>{name}</code>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

export function StatusPage() {
  const { nowMs } = useClock(EVERY_MS);
  const { state } = useLoad("status", nowMs, loadStatus);
  const status = lastGood(state);
  return (
    <>
      <PageHead title={t("nav.status")} />
      {state.kind === "loading" && <Skeleton height={320} />}
      {state.kind === "failed" && status === undefined && <ErrorNote error={state.error} />}
      {status !== undefined && (
        <div class="card-grid">
          <Runtime status={status} nowMs={nowMs} />
          <Others status={status} />
        </div>
      )}
    </>
  );
}
