// The query page: one or more queries, each with its own state, all of it in the URL.
import { useEffect, useMemo, useState } from "preact/hooks";
import { serverNow } from "../../api/client";
import { href, navigate, search, updateParams } from "../../app/router";
import { chooseZone, zone } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { Icon } from "../../components/Icon";
import { readRefresh, RefreshControl, writeRefresh } from "../../components/RefreshControl";
import { Select } from "../../components/Select";
import { t } from "../../i18n";
import { copyText } from "../../lib/download";
import { QueryPanel } from "./QueryPanel";
import { NEW_PANEL, type PanelState, readPanels, writePanels } from "./queryUrl";

/** Copies a link to what is on screen: what ends now ends at this instant for whoever opens it. */
function ShareButton({ panels }: { readonly panels: readonly PanelState[] }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = window.setTimeout(() => setCopied(false), 2_000);
    return () => window.clearTimeout(timer);
  }, [copied]);
  const share = (): void => {
    const nowMs = Math.floor(serverNow() / 1000) * 1000;
    const pinned = panels.map((panel) => ({ ...panel, endMs: panel.endMs ?? nowMs }));
    void copyText(new URL(href("query", writePanels(pinned)), window.location.origin).href).then(setCopied);
  };
  return (
    <button type="button" class="button" onClick={share} title={t("query.share.hint")}>
      <Icon name={copied ? "check" : "link"} />
      <span aria-live="polite">{t(copied ? "query.share.done" : "query.share")}</span>
    </button>
  );
}

export function QueryPage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const panels = useMemo(() => readPanels(params), [params]);
  const everyMs = readRefresh(params, 0);
  const { nowMs, poke } = useClock(everyMs);
  const save = (next: readonly PanelState[]): void => {
    const written = writePanels(next);
    writeRefresh(written, everyMs, 0);
    navigate(href("query", written));
  };
  const title = t("nav.query");
  useEffect(() => {
    document.title = `${title} · Watchfire`;
  }, [title]);
  return (
    <>
      <header class="page-head">
        <div class="page-title">
          <h1>{title}</h1>
        </div>
        <div class="controls">
          <a class="button" href={href("explore")}>
            <Icon name="search" />
            {t("query.findMetric")}
          </a>
          <ShareButton panels={panels} />
          <Select
            label={t("app.zone")}
            icon="clock"
            options={[
              { value: "local", label: t("app.zone.local") },
              { value: "utc", label: "UTC" },
            ]}
            value={zone.value}
            onChange={(chosen) => chooseZone(chosen === "utc" ? "utc" : "local")}
          />
          <RefreshControl everyMs={everyMs} onChange={(ms) => updateParams((p) => writeRefresh(p, ms, 0), "replace")} onNow={poke} />
        </div>
      </header>
      <div class="query-panels">
        {panels.map((panel, index) => (
          <QueryPanel
            key={index}
            panel={panel}
            tickMs={nowMs}
            onChange={(change) => save(panels.map((other, at) => (at === index ? { ...other, ...change } : other)))}
            onDuplicate={() => save([...panels.slice(0, index + 1), panel, ...panels.slice(index + 1)])}
            onRemove={panels.length > 1 ? () => save(panels.filter((_, at) => at !== index)) : null}
          />
        ))}
        <button type="button" class="button add-panel" onClick={() => save([...panels, NEW_PANEL])}>
          <Icon name="plus" />
          {t("query.add")}
        </button>
      </div>
    </>
  );
}
