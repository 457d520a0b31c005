// The metrics explorer: find a metric by name, help text or label, see it, and open a sensible query.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { request } from "../../api/client";
import { list, number, object, optional, record, string } from "../../api/decode";
import { lastGood, useLoad } from "../../api/useLoad";
import { search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { Icon } from "../../components/Icon";
import { Empty, ErrorNote, NoData, Skeleton } from "../../components/States";
import { rowsInSight } from "../../components/VirtualRows";
import { plural, t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { buildFamilies, type Family, findFamilies, type Metadata, readSearch } from "./families";
import { FamilyDetail } from "./FamilyDetail";

const metadata = record(list(object<{ type: string; help: string; unit: string }>({ type: string, help: optional(string, ""), unit: optional(string, "") })));
const tsdb = object<{ seriesCountByMetricName: { name: string; value: number }[] }>({ seriesCountByMetricName: list(object<{ name: string; value: number }>({ name: string, value: number })) });

// The most that the server counts.
const COUNTED = "10000";

async function loadAll(stop: AbortSignal): Promise<{ metadata: Record<string, Metadata[]>; counts: Map<string, number> }> {
  const [declared, counted] = await Promise.all([request("api/v1/metadata", {}, metadata, stop), request("api/v1/status/tsdb", { limit: COUNTED }, tsdb, stop)]);
  return { metadata: declared.data, counts: new Map(counted.data.seriesCountByMetricName.map(({ name, value }) => [name, value])) };
}

async function loadNames(matchers: readonly string[], stop: AbortSignal): Promise<string[]> {
  const match = matchers.length === 0 ? {} : { "match[]": `{${matchers.join(",")}}` };
  return (await request("api/v1/label/__name__/values", match, list(string), stop)).data;
}

const ROWS_PX = 34 * 19;

function FamilyList({ families, chosen, onChoose }: { readonly families: readonly Family[]; readonly chosen: string | null; readonly onChoose: (name: string) => void }) {
  const [scrollTop, setScrollTop] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.scrollTo({ top: 0 }), [families]);
  // Rows of this list are twice as high as a table's.
  const { first, end } = rowsInSight(families.length, scrollTop / 1.5, ROWS_PX);
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = families.findIndex((one) => one.name === chosen);
    const next = families[Math.min(Math.max(at + step, 0), families.length - 1)];
    if (next === undefined) return;
    onChoose(next.name);
    box.current?.querySelector<HTMLElement>(`[data-family="${CSS.escape(next.name)}"]`)?.focus();
  };
  return (
    <div class="family-list card" ref={box} onScroll={(event) => setScrollTop(event.currentTarget.scrollTop)} onKeyDown={move} role="region" aria-label={t("nav.explore")} tabIndex={0}>
      <ul style={{ paddingTop: `${first * 51}px`, paddingBottom: `${Math.max(0, families.length - end) * 51}px` }}>
        {families.slice(first, end).map((family) => (
          <li key={family.name}>
            <button type="button" class="family" data-family={family.name} aria-pressed={family.name === chosen} onClick={() => onChoose(family.name)}>
              <code>{family.name}</code>
              <span class={`badge type-${family.type}`}>{family.type}</span>
              <span class="family-help">{family.help}</span>
              <span class="num muted">{formatNumber(family.series, locale.value, 0)}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function ExplorePage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const text = params.get("q") ?? "";
  const chosen = params.get("m");
  const { words, matchers } = useMemo(() => readSearch(text), [text]);
  const all = useLoad("metadata", 0, loadAll);
  const names = useLoad(`names ${matchers.join(",")}`, 0, (stop) => loadNames(matchers, stop));
  const known = lastGood(all.state);
  const named = lastGood(names.state);
  const families = useMemo(() => (known === undefined || named === undefined ? [] : buildFamilies(named, known.metadata, known.counts)), [known, named]);
  const found = useMemo(() => findFamilies(families, words), [families, words.join(" ")]);
  const title = t("nav.explore");
  useEffect(() => {
    document.title = `${title} · Watchfire`;
  }, [title]);
  const failed = [all.state, names.state].find((state) => state.kind === "failed");
  const set = (name: string, value: string): void => updateParams((p) => (value === "" ? p.delete(name) : p.set(name, value)), "replace");
  const family = families.find((one) => one.name === chosen) ?? null;
  return (
    <>
      <header class="page-head">
        <div class="page-title">
          <h1>{title}</h1>
          {named !== undefined && <p class="facts">{plural("explore.count.one", "explore.count.other", found.length, formatNumber(found.length, locale.value, 0))}</p>}
        </div>
      </header>
      <div class="filters" role="search">
        <div class="search-box search-wide">
          <Icon name="search" />
          <input class="input" type="search" aria-label={t("explore.search")} placeholder={t("explore.search")} value={text} onInput={(event) => set("q", event.currentTarget.value)} />
        </div>
      </div>
      {failed?.kind === "failed" && <ErrorNote error={failed.error} />}
      {failed === undefined && (known === undefined || named === undefined) && <Skeleton height={420} />}
      {known !== undefined && named !== undefined && families.length === 0 && matchers.length === 0 && <Empty title={t("explore.empty.title")} text={t("explore.empty.text")} />}
      {known !== undefined && named !== undefined && (families.length > 0 || matchers.length > 0) && (
        <div class="explore">
          {found.length === 0 ? <NoData height={200} text={t("explore.noMatch")} /> : <FamilyList families={found} chosen={chosen} onChoose={(name) => set("m", name)} />}
          {family === null ? <NoData height={200} text={t("explore.choose")} /> : <FamilyDetail key={family.name} family={family} matchers={matchers} onLabel={(label, value) => set("q", [...words, ...matchers, `${label}="${value}"`].join(" "))} />}
        </div>
      )}
    </>
  );
}
