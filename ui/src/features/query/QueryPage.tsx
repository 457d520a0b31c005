// The query page: one or more queries, each with its own state, all of it in the URL.
import { useEffect, useMemo } from "preact/hooks";
import { href, navigate, search } from "../../app/router";
import { Icon } from "../../components/Icon";
import { t } from "../../i18n";
import { QueryPanel } from "./QueryPanel";
import { NEW_PANEL, type PanelState, readPanels, writePanels } from "./queryUrl";

export function QueryPage() {
  const panels = useMemo(() => readPanels(new URLSearchParams(search.value)), [search.value]);
  const save = (next: readonly PanelState[]): void => navigate(href("query", writePanels(next)));
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
      </header>
      <div class="query-panels">
        {panels.map((panel, index) => (
          <QueryPanel
            key={index}
            panel={panel}
            onChange={(change) => save(panels.map((other, at) => (at === index ? { ...other, ...change } : other)))}
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
