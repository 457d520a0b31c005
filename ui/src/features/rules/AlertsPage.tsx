// The alerts page: what is wrong now, and what is watched.
import { useMemo } from "preact/hooks";
import { serverNow } from "../../api/client";
import { lastGood, useLoad } from "../../api/useLoad";
import { search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { FilterBar } from "../../components/FilterBar";
import { PageHead } from "../../components/PageHead";
import { readRefresh, RefreshControl, writeRefresh } from "../../components/RefreshControl";
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
          <FilterBar
            label={t("rule.search")}
            text={filter.text}
            onText={(text) => setFilter({ text })}
            kindLabel={t("alert.state")}
            kinds={[null, ...ALERT_STATES].map((state) => ({ value: state, label: t(`alert.state.${state ?? "all"}`), count: all.filter((rule) => state === null || rule.state === state).length }))}
            kind={filter.state}
            onKind={(state) => setFilter({ state })}
          />
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
