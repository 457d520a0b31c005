// The alerts page: what is wrong now, and what is watched.
import { useMemo } from "preact/hooks";
import { serverNow } from "../../api/client";
import { lastGood, useLoad } from "../../api/useLoad";
import { search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { PageHead } from "../../components/PageHead";
import { readRefresh, RefreshControl, writeRefresh } from "../../components/RefreshControl";
import { SearchBox } from "../../components/SearchBox";
import { Empty, ErrorNote, NoData, Skeleton, Stale } from "../../components/States";
import { t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { AlertRule } from "./AlertRule";
import { ALERT_STATES, filterGroups, loudestFirst, readRuleFilter, writeRuleFilter } from "./ruleView";
import { loadRules } from "./rulesApi";

export function AlertsPage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const filter = readRuleFilter(params);
  const everyMs = readRefresh(params);
  const { nowMs, poke } = useClock(everyMs);
  const { state } = useLoad("rules", nowMs, loadRules);
  const loaded = lastGood(state);
  const alerting = useMemo(() => filterGroups(loaded ?? [], { text: "", state: null, health: null }, (rule) => rule.type === "alerting"), [loaded]);
  const groups = filterGroups(alerting, { ...filter, health: null }, () => true);
  const all = alerting.flatMap((group) => group.rules);
  const setFilter = (change: Partial<typeof filter>): void => updateParams((p) => writeRuleFilter(p, { ...filter, ...change }), "replace");
  const count = (wanted: string): string => formatNumber(all.filter((rule) => rule.state === wanted).length, locale.value, 0);
  return (
    <>
      <PageHead title={t("nav.alerts")} {...(loaded === undefined ? {} : { facts: t("alert.facts", { firing: count("firing"), total: formatNumber(all.length, locale.value, 0) }) })}>
        {state.kind === "failed" && loaded !== undefined && <Stale error={state.error} />}
        <RefreshControl everyMs={everyMs} onChange={(ms) => updateParams((p) => writeRefresh(p, ms), "replace")} onNow={poke} />
      </PageHead>
      {state.kind === "loading" && <Skeleton height={320} />}
      {state.kind === "failed" && loaded === undefined && <ErrorNote error={state.error} />}
      {loaded !== undefined && all.length === 0 && <Empty title={t("alert.empty.title")} text={t("alert.empty.text")} />}
      {all.length > 0 && (
        <div class="rule-groups">
          <div class="filters" role="search">
            <SearchBox label={t("rule.search")} value={filter.text} onInput={(text) => setFilter({ text })} />
            <div class="segmented" role="group" aria-label={t("alert.state")}>
              {[null, ...ALERT_STATES].map((wanted) => (
                <button key={wanted} type="button" aria-pressed={filter.state === wanted} onClick={() => setFilter({ state: wanted })}>
                  {t(`alert.state.${wanted ?? "all"}`)} <span class="num muted">{wanted === null ? formatNumber(all.length, locale.value, 0) : count(wanted)}</span>
                </button>
              ))}
            </div>
          </div>
          {groups.map((group) => (
            <section key={`${group.file} ${group.name}`} class="card rule-group" data-group={group.name}>
              <header>
                <h2>{group.name}</h2>
                <span class="mono muted">{group.file}</span>
              </header>
              {loudestFirst(group.rules).map((rule) => (
                <AlertRule key={`${rule.name} ${rule.query} ${JSON.stringify(rule.labels)}`} rule={rule} intervalS={group.interval} nowMs={everyMs === 0 ? serverNow() : nowMs} />
              ))}
            </section>
          ))}
          {groups.length === 0 && <NoData height={160} text={t("rule.noMatch")} />}
        </div>
      )}
    </>
  );
}
