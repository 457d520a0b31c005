// What the storage holds, and what makes it large.
import { useMemo, useState } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { href, search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { CopyButton } from "../../components/CopyButton";
import { PageHead } from "../../components/PageHead";
import { Select } from "../../components/Select";
import { ErrorNote, NoData, Skeleton } from "../../components/States";
import { Yaml } from "../../components/Yaml";
import { t } from "../../i18n";
import { formatNumber, formatUnit } from "../../lib/format";
import { formatInstant } from "../../lib/time";
import { AdminForms } from "./AdminForms";
import { dropRule, shareOf } from "./cardinality";
import { type Block, type Count, type HeadStats, type ListName, LISTS, statusApi } from "./statusApi";

const LIMITS = [10, 25, 100, 500] as const;

function Head({ head }: { readonly head: HeadStats }) {
  const language = locale.value;
  // An empty head says so with times that cannot be.
  const isEmpty = head.minTime > head.maxTime;
  const facts = [
    [t("storage.series"), formatNumber(head.numSeries, language, 0)],
    [t("storage.chunks"), formatNumber(head.chunkCount, language, 0)],
    [t("storage.pairs"), formatNumber(head.numLabelPairs, language, 0)],
    [t("storage.oldest"), isEmpty ? "–" : formatInstant(head.minTime, language)],
    [t("storage.newest"), isEmpty ? "–" : formatInstant(head.maxTime, language)],
  ] as const;
  return (
    <ul class="stat-row" aria-label={t("storage.head")}>
      {facts.map(([name, value]) => (
        <li key={name} class="card">
          <span class="muted">{name}</span>
          <b class="num">{value}</b>
        </li>
      ))}
    </ul>
  );
}

interface TopProps {
  readonly list: ListName;
  readonly counts: readonly Count[];
  readonly total: number;
  readonly onDrop: (name: string) => void;
}

function Top({ list, counts, total, onDrop }: TopProps) {
  const language = locale.value;
  const unit = list === "memoryInBytesByLabelName" ? "bytes" : "none";
  const most = Math.max(1, ...counts.map((one) => one.value));
  return (
    <section class="card top-list" data-top={list}>
      <h2>{t(`storage.top.${list}`)}</h2>
      <p class="card-note">{t(`storage.top.${list}.note`)}</p>
      <ol>
        {counts.map(({ name, value }) => (
          <li key={name}>
            <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
              <rect width={(value / most) * 100} height="1" />
            </svg>
            {list === "seriesCountByMetricName" ? (
              <a class="mono" href={href("explore", new URLSearchParams({ m: name }))}>
                {name}
              </a>
            ) : (
              <span class="mono">{name}</span>
            )}
            {list === "seriesCountByMetricName" && (
              <button type="button" class="link-button" onClick={() => onDrop(name)}>
                {t("storage.drop")}
              </button>
            )}
            <b class="num">{unit === "bytes" ? formatUnit(value, "bytes", language) : formatNumber(value, language, 0)}</b>
            <span class="num muted">{total > 0 ? formatUnit(shareOf(value, total), "ratio", language) : ""}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Blocks({ blocks }: { readonly blocks: readonly Block[] }) {
  const language = locale.value;
  return (
    <section class="card">
      <h2>{t("storage.blocks")}</h2>
      {blocks.length === 0 ? (
        <p class="muted">{t("storage.blocks.none")}</p>
      ) : (
        <div class="table-scroll" tabIndex={0} role="region" aria-label={t("storage.blocks")}>
          <table class="table">
            <thead>
              <tr>
                {(["ulid", "from", "to", "level", "series", "samples"] as const).map((column) => (
                  <th key={column} scope="col" class={column === "ulid" ? undefined : "num"}>
                    {t(`storage.block.${column}`)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {blocks.map((block) => (
                <tr key={block.ulid}>
                  <td class="mono">{block.ulid}</td>
                  <td class="num">{formatInstant(block.minTime, language)}</td>
                  <td class="num">{formatInstant(block.maxTime, language)}</td>
                  <td class="num">{block.level}</td>
                  <td class="num">{formatNumber(block.series, language, 0)}</td>
                  <td class="num">{formatNumber(block.samples, language, 0)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function StoragePage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const limit = LIMITS.find((known) => String(known) === params.get("limit")) ?? LIMITS[0];
  const [dropped, setDropped] = useState<readonly string[]>([]);
  const { state } = useLoad(`tsdb ${limit}`, 0, async (stop) => {
    const [tsdb, blocks, features] = await Promise.all([statusApi.tsdb(limit, stop), statusApi.blocks(stop), statusApi.features(stop).catch(() => null)]);
    return { tsdb: tsdb.data, blocks: blocks.data.blocks, isAdmin: features?.data["api"]?.["admin"] === true };
  });
  const loaded = lastGood(state);
  const totals: Readonly<Record<ListName, number>> = {
    seriesCountByMetricName: loaded?.tsdb.headStats.numSeries ?? 0,
    labelValueCountByLabelName: loaded?.tsdb.headStats.numLabelPairs ?? 0,
    memoryInBytesByLabelName: (loaded?.tsdb.memoryInBytesByLabelName ?? []).reduce((sum, one) => sum + one.value, 0),
    seriesCountByLabelValuePair: loaded?.tsdb.headStats.numSeries ?? 0,
  };
  const rule = dropRule(dropped);
  return (
    <>
      <PageHead title={t("nav.storage")}>
        <Select label={t("storage.limit")} options={LIMITS.map((value) => ({ value: String(value), label: t("storage.limit.top", { count: value }) }))} value={String(limit)} onChange={(value) => updateParams((p) => p.set("limit", value), "replace")} />
      </PageHead>
      {state.kind === "loading" && <Skeleton height={420} />}
      {state.kind === "failed" && <ErrorNote error={state.error} />}
      {loaded !== undefined && (
        <div class="storage">
          <Head head={loaded.tsdb.headStats} />
          {dropped.length > 0 && (
            <section class="card drop-rule">
              <header>
                <h2>{t("storage.dropRule")}</h2>
                <CopyButton text={rule} />
                <button type="button" class="button" onClick={() => setDropped([])}>
                  {t("common.close")}
                </button>
              </header>
              <p class="muted">{t("storage.dropRule.note")}</p>
              <Yaml text={rule} label={t("storage.dropRule")} />
            </section>
          )}
          {loaded.tsdb.headStats.numSeries === 0 && <NoData height={120} text={t("explore.empty.title")} />}
          <div class="top-lists">
            {LISTS.map((list) => (
              <Top key={list} list={list} counts={loaded.tsdb[list]} total={totals[list]} onDrop={(name) => setDropped((now) => [...new Set([...now, name])])} />
            ))}
          </div>
          <Blocks blocks={loaded.blocks} />
          {loaded.isAdmin && <AdminForms />}
        </div>
      )}
    </>
  );
}
