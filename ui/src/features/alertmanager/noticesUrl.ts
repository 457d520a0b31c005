// The alert page's state in the URL, in the original's spelling: links in notifications carry it.
import type { AlertGroup, AlertQuery, GettableAlert } from "./amApi";
import { filterText, parseMatchers } from "./matchers";

export interface NoticesState extends AlertQuery {
  /** Labels to group by instead of the routes' own; `null` keeps those. */
  readonly groupBy: readonly string[] | null;
}

export function readNotices(params: URLSearchParams): NoticesState {
  const isOn = (name: string, fallback: boolean): boolean => (params.has(name) ? params.get(name) === "true" : fallback);
  const groupBy = (params.get("group") ?? "").split(",").map((label) => label.trim()).filter((label) => label !== "");
  return {
    matchers: parseMatchers(params.get("filter") ?? "") ?? [],
    receiver: params.get("receiver") === "" ? null : params.get("receiver"),
    silenced: isOn("silenced", false),
    inhibited: isOn("inhibited", false),
    muted: isOn("muted", false),
    active: isOn("active", true),
    groupBy: params.get("customGrouping") === "true" ? groupBy : null,
  };
}

/** Writes what {@link readNotices} reads; defaults leave no trace. */
export function writeNotices(params: URLSearchParams, state: NoticesState): void {
  const set = (name: string, value: string): void => (value === "" ? params.delete(name) : params.set(name, value));
  set("filter", filterText(state.matchers));
  set("receiver", state.receiver ?? "");
  for (const name of ["silenced", "inhibited", "muted"] as const) set(name, state[name] ? "true" : "");
  set("active", state.active ? "" : "false");
  set("customGrouping", state.groupBy === null ? "" : "true");
  set("group", state.groupBy === null ? "" : state.groupBy.join(","));
}

/** Returns the alerts grouped by other labels; an alert that several routes took is there once. */
export function regroup(groups: readonly AlertGroup[], by: readonly string[]): AlertGroup[] {
  const alerts = new Map<string, GettableAlert>();
  for (const one of groups.flatMap((group) => group.alerts)) alerts.set(one.fingerprint, one);
  const regrouped = new Map<string, { labels: Record<string, string>; alerts: GettableAlert[] }>();
  for (const alert of alerts.values()) {
    const labels = Object.fromEntries(by.filter((name) => alert.labels[name] !== undefined).map((name) => [name, alert.labels[name] ?? ""]));
    const key = JSON.stringify(labels);
    const known = regrouped.get(key) ?? { labels, alerts: [] };
    known.alerts.push(alert);
    regrouped.set(key, known);
  }
  return [...regrouped.values()].map((one) => ({ ...one, receiver: "" })).sort((a, b) => (JSON.stringify(a.labels) < JSON.stringify(b.labels) ? -1 : 1));
}
