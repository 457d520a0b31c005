// The rules page: every group with its rhythm, its cost and the health of its rules.
import { useMemo } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { FilterBar } from "../../components/FilterBar";
import { Icon } from "../../components/Icon";
import { LabelChips } from "../../components/LabelChips";
import { PageHead } from "../../components/PageHead";
import { readRefresh, RefreshControl, writeRefresh } from "../../components/RefreshControl";
import { Empty, ErrorNote, NoData, Skeleton } from "../../components/States";
import { plural, t } from "../../i18n";
import { formatNumber, formatSpan, formatUnit } from "../../lib/format";
import { queryLink } from "./AlertRule";
import { filterGroups, HEALTHS, instantOf, readRuleFilter, writeRuleFilter } from "./ruleView";
import { loadRules, type Rule, type RuleGroup } from "./rulesApi";
import { RuleHealthBadge, StateBadge } from "./StateBadge";

function ago(text: string, nowMs: number): string {
  const ms = instantOf(text);
  return ms === null ? t("targets.never") : t("targets.ago", { span: formatSpan(Math.max(0, nowMs - ms) / 1000, locale.value) });
}

function RuleRow({ rule, nowMs }: { readonly rule: Rule; readonly nowMs: number }) {
  return (
    <tr>
      <td class="rule-name">
        <span class="badge">{t(`rule.type.${rule.type}`)}</span> <b class="mono">{rule.name}</b>
        {rule.duration > 0 && <span class="muted num"> {t("rule.forSpan", { span: formatSpan(rule.duration, locale.value) })}</span>}
        <a class="rule-expr mono" href={queryLink(rule.query)} title={t("rule.open")}>
          {rule.query}
        </a>
        {Object.keys(rule.labels).length > 0 && <LabelChips labels={rule.labels} />}
        {rule.lastError !== "" && (
          <p class="target-error">
            <Icon name="alert" />
            <span>{rule.lastError}</span>
          </p>
        )}
      </td>
      <td>
        <RuleHealthBadge health={rule.health} />
        {rule.type === "alerting" && rule.state !== "inactive" && <StateBadge state={rule.state} />}
      </td>
      <td class="num">{ago(rule.lastEvaluation, nowMs)}</td>
      <td class="num">{formatUnit(rule.evaluationTime, "seconds", locale.value)}</td>
    </tr>
  );
}

function Group({ group, nowMs }: { readonly group: RuleGroup; readonly nowMs: number }) {
  const language = locale.value;
  const load = group.interval > 0 ? group.evaluationTime / group.interval : 0;
  return (
    <section class="card rule-group" data-group={group.name}>
      <header>
        <h2>{group.name}</h2>
        <span class="mono muted">{group.file}</span>
        <ul class="facts">
          <li>{t("refresh.every", { span: formatSpan(group.interval, language) })}</li>
          <li>{ago(group.lastEvaluation, nowMs)}</li>
          <li title={t("rule.load.hint")}>
            {t("rule.took", { span: formatUnit(group.evaluationTime, "seconds", language) })} <span class={load > 0.8 ? "badge is-bad" : load > 0.3 ? "badge is-warn" : "badge"}>{formatUnit(load, "ratio", language)}</span>
          </li>
          {group.limit > 0 && <li>{t("rule.limit", { limit: formatNumber(group.limit, language, 0) })}</li>}
        </ul>
      </header>
      <div class="table-scroll" tabIndex={0} role="region" aria-label={group.name}>
        <table class="table rules-table">
          <thead>
            <tr>
              <th scope="col">{t("rule.rule")}</th>
              <th scope="col">{t("targets.health")}</th>
              <th scope="col" class="num">
                {t("rule.lastRun")}
              </th>
              <th scope="col" class="num">
                {t("targets.duration")}
              </th>
            </tr>
          </thead>
          <tbody>
            {group.rules.map((rule, index) => (
              <RuleRow key={index} rule={rule} nowMs={nowMs} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function RulesPage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const filter = readRuleFilter(params);
  const everyMs = readRefresh(params);
  const { nowMs, poke } = useClock(everyMs);
  const { state } = useLoad("rules", nowMs, loadRules);
  const loaded = lastGood(state);
  const all = (loaded ?? []).flatMap((group) => group.rules);
  const groups = filterGroups(loaded ?? [], { ...filter, state: null }, () => true);
  const setFilter = (change: Partial<typeof filter>): void => updateParams((p) => writeRuleFilter(p, { ...filter, ...change }), "replace");
  return (
    <>
      <PageHead title={t("nav.rules")} {...(loaded === undefined ? {} : { facts: plural("rule.count.one", "rule.count.other", all.length, formatNumber(all.length, locale.value, 0)) })}>
        <RefreshControl everyMs={everyMs} onChange={(ms) => updateParams((p) => writeRefresh(p, ms), "replace")} onNow={poke} />
      </PageHead>
      {state.kind === "loading" && <Skeleton height={320} />}
      {state.kind === "failed" && loaded === undefined && <ErrorNote error={state.error} />}
      {loaded !== undefined && all.length === 0 && <Empty title={t("rule.empty.title")} text={t("rule.empty.text")} />}
      {all.length > 0 && (
        <div class="rule-groups">
          <FilterBar
            label={t("rule.search")}
            text={filter.text}
            onText={(text) => setFilter({ text })}
            kindLabel={t("targets.health")}
            kinds={[null, ...HEALTHS].map((health) => ({ value: health, label: t(`rule.health.${health ?? "all"}`), count: all.filter((rule) => health === null || rule.health === health).length }))}
            kind={filter.health}
            onKind={(health) => setFilter({ health })}
          />
          {groups.map((group) => (
            <Group key={`${group.file} ${group.name}`} group={group} nowMs={nowMs} />
          ))}
          {groups.length === 0 && <NoData height={160} text={t("rule.noMatch")} />}
        </div>
      )}
    </>
  );
}
