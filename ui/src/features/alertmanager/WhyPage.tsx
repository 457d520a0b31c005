// Why was I told, why was I not: where an alert stands now, and what became of it in the last days.
import { useMemo } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { PageHead } from "../../components/PageHead";
import { readRefresh, RefreshControl, writeRefresh } from "../../components/RefreshControl";
import { Empty, ErrorNote, NoData, Skeleton, Stale } from "../../components/States";
import { plural, t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { filterText, type Matcher, parseMatchers } from "./matchers";
import { MatcherFilter } from "./MatcherFilter";
import { WhyCard } from "./WhyCard";
import { askWhy } from "./whyApi";
import { loudest } from "./whyView";

// Where an alert stands; the answer is a search of days, so it is not asked for every second.
const EVERY_MS = 10_000;

export function WhyPage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const matchers = useMemo(() => parseMatchers(params.get("filter") ?? "") ?? [], [params]);
  const everyMs = readRefresh(params, EVERY_MS);
  const { nowMs, poke } = useClock(everyMs);
  const { state } = useLoad(matchers.length === 0 ? null : `why ${filterText(matchers)}`, nowMs, (stop) => askWhy(matchers, stop));
  const alerts = lastGood(state);
  const setMatchers = (next: readonly Matcher[]): void =>
    updateParams((p) => (next.length === 0 ? p.delete("filter") : p.set("filter", filterText(next))), "replace");
  return (
    <>
      <PageHead title={t("why.title")} {...(alerts === undefined ? {} : { facts: plural("am.alerts.one", "am.alerts.other", alerts.length, formatNumber(alerts.length, locale.value, 0)) })}>
        {state.kind === "failed" && alerts !== undefined && <Stale error={state.error} />}
        <RefreshControl everyMs={everyMs} onChange={(ms) => updateParams((p) => writeRefresh(p, ms, EVERY_MS), "replace")} onNow={poke} />
      </PageHead>
      <div class="am-filters">
        <MatcherFilter matchers={matchers} onChange={setMatchers} />
      </div>
      {matchers.length === 0 && <Empty title={t("why.ask.title")} text={t("why.ask.text")} />}
      {matchers.length > 0 && state.kind === "loading" && <Skeleton height={320} />}
      {state.kind === "failed" && alerts === undefined && <ErrorNote error={state.error} />}
      {alerts !== undefined && alerts.length === 0 && <NoData height={160} text={t("why.none")} />}
      <div class="target-pools">
        {loudest(alerts ?? []).map((alert) => (
          <WhyCard key={alert.fingerprint} alert={alert} nowMs={nowMs} />
        ))}
      </div>
    </>
  );
}
