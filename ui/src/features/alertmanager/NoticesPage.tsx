// The alerts as the routes grouped them: what is being told to whom, and what is kept quiet.
import { useMemo, useState } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { search, updateParams } from "../../app/router";
import { locale } from "../../app/settings";
import { useClock } from "../../app/useClock";
import { Icon } from "../../components/Icon";
import { LabelChips } from "../../components/LabelChips";
import { PageHead } from "../../components/PageHead";
import { readRefresh, RefreshControl, writeRefresh } from "../../components/RefreshControl";
import { Select } from "../../components/Select";
import { Empty, ErrorNote, Skeleton } from "../../components/States";
import { plural, t } from "../../i18n";
import { formatNumber } from "../../lib/format";
import { type AlertGroup, amApi } from "./amApi";
import { MatcherFilter } from "./MatcherFilter";
import { NoticeCard } from "./NoticeCard";
import { type NoticesState, readNotices, regroup, writeNotices } from "./noticesUrl";

const ALERTS_AT_FIRST = 25;
// Groups beyond are opened by hand: a storm of alerts must not stall the page that is to calm it.
const GROUPS_OPEN = 20;

function Group({ group, nowMs, open, onPick }: { readonly group: AlertGroup; readonly nowMs: number; readonly open: boolean; readonly onPick: (name: string, value: string) => void }) {
  const [shown, setShown] = useState(open);
  const [all, setAll] = useState(false);
  const alerts = all ? group.alerts : group.alerts.slice(0, ALERTS_AT_FIRST);
  return (
    <details class="card pool" open={shown} onToggle={(event) => setShown(event.currentTarget.open)} data-receiver={group.receiver}>
      <summary>
        <Icon name="chevron" />
        <LabelChips labels={group.labels} />
        {Object.keys(group.labels).length === 0 && <span class="muted">{t("am.group.all")}</span>}
        <span class="badge num">{plural("am.alerts.one", "am.alerts.other", group.alerts.length, formatNumber(group.alerts.length, locale.value, 0))}</span>
        {group.receiver !== "" && (
          <span class="group-receiver muted">
            <Icon name="receiver" /> {group.receiver}
          </span>
        )}
      </summary>
      {shown && (
        <ul class="alert-rows">
          {alerts.map((alert) => (
            <NoticeCard key={alert.fingerprint} alert={alert} nowMs={nowMs} onPick={onPick} />
          ))}
        </ul>
      )}
      {shown && alerts.length < group.alerts.length && (
        <button type="button" class="link-button" onClick={() => setAll(true)}>
          {t("query.showMore", { count: formatNumber(group.alerts.length, locale.value, 0) })}
        </button>
      )}
    </details>
  );
}

function Filters({ state, receivers, onChange }: { readonly state: NoticesState; readonly receivers: readonly string[]; readonly onChange: (change: Partial<NoticesState>) => void }) {
  return (
    <div class="am-filters">
      <MatcherFilter matchers={state.matchers} onChange={(matchers) => onChange({ matchers })} />
      <div class="filters">
        <Select label={t("am.receiver")} icon="receiver" options={[{ value: "", label: t("am.receiver.all") }, ...receivers.map((name) => ({ value: name, label: name }))]} value={state.receiver ?? ""} onChange={(name) => onChange({ receiver: name === "" ? null : name })} />
        {(["silenced", "inhibited", "muted"] as const).map((name) => (
          <label key={name} class="check">
            <input type="checkbox" checked={state[name]} onChange={(event) => onChange({ [name]: event.currentTarget.checked })} />
            {t(`am.show.${name}`)}
          </label>
        ))}
        <label class="check group-by">
          {t("am.groupBy")}
          <input class="input mono" placeholder={t("am.groupBy.routes")} value={(state.groupBy ?? []).join(",")} onChange={(event) => onChange({ groupBy: event.currentTarget.value.trim() === "" ? null : event.currentTarget.value.split(",").map((one) => one.trim()) })} />
        </label>
      </div>
    </div>
  );
}

export function NoticesPage() {
  const params = useMemo(() => new URLSearchParams(search.value), [search.value]);
  const state = useMemo(() => readNotices(params), [params]);
  const everyMs = readRefresh(params);
  const { nowMs, poke } = useClock(everyMs);
  const subject = JSON.stringify({ ...state, groupBy: null });
  const { state: loading } = useLoad(`groups ${subject}`, nowMs, (stop) => amApi.groups(state, stop));
  const receivers = lastGood(useLoad("receivers", 0, (stop) => amApi.receivers(stop)).state) ?? [];
  const loaded = lastGood(loading);
  const groups = useMemo(() => (loaded === undefined || state.groupBy === null ? (loaded ?? []) : regroup(loaded, state.groupBy)), [loaded, state.groupBy]);
  const count = new Set(groups.flatMap((group) => group.alerts.map((alert) => alert.fingerprint))).size;
  const change = (next: Partial<NoticesState>): void => updateParams((p) => writeNotices(p, { ...state, ...next }), "replace");
  const pick = (name: string, value: string): void => {
    if (!state.matchers.some((one) => one.name === name && one.op === "=" && one.value === value)) change({ matchers: [...state.matchers, { name, op: "=", value }] });
  };
  return (
    <>
      <PageHead title={t("nav.alerts")} {...(loaded === undefined ? {} : { facts: plural("am.alerts.one", "am.alerts.other", count, formatNumber(count, locale.value, 0)) })}>
        <RefreshControl everyMs={everyMs} onChange={(ms) => updateParams((p) => writeRefresh(p, ms), "replace")} onNow={poke} />
      </PageHead>
      <Filters state={state} receivers={receivers.map((one) => one.name)} onChange={change} />
      {loading.kind === "loading" && <Skeleton height={240} />}
      {loading.kind === "failed" && <ErrorNote error={loading.error} />}
      {loaded !== undefined && groups.length === 0 && <Empty title={t("am.empty.title")} text={t("am.empty.text")} />}
      <div class="target-pools">
        {groups.map((group, index) => (
          <Group key={`${group.receiver} ${JSON.stringify(group.labels)}`} group={group} nowMs={nowMs} open={index < GROUPS_OPEN} onPick={pick} />
        ))}
      </div>
    </>
  );
}
