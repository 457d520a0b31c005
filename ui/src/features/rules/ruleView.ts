// Which rules to show, in which order, and what an alert would have done.
import type { Frame } from "../../lib/frames";
import { metricText } from "../query/metricText";
import type { PlanNode } from "../query/queryApi";
import type { AlertState, Rule, RuleGroup, RuleHealth } from "./rulesApi";

export const ALERT_STATES = ["firing", "pending", "inactive"] as const;
export const HEALTHS = ["err", "ok", "unknown"] as const;

export interface RuleFilter {
  readonly text: string;
  readonly state: AlertState | null;
  readonly health: RuleHealth | null;
}

export function readRuleFilter(params: URLSearchParams): RuleFilter {
  return {
    text: params.get("q") ?? "",
    state: ALERT_STATES.find((known) => known === params.get("state")) ?? null,
    health: HEALTHS.find((known) => known === params.get("health")) ?? null,
  };
}

export function writeRuleFilter(params: URLSearchParams, filter: RuleFilter): void {
  for (const [name, value] of [["q", filter.text], ["state", filter.state], ["health", filter.health]] as const) {
    if (value === null || value === "") params.delete(name);
    else params.set(name, value);
  }
}

/** Whether every word occurs in the rule's name, expression, labels, or in a label of one of its alerts. */
function matchesText(rule: Rule, group: RuleGroup, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return true;
  const pairs = [rule.labels, ...rule.alerts.map((alert) => alert.labels)].flatMap((labels) => Object.entries(labels).map(([name, value]) => `${name}="${value}"`));
  const haystack = [rule.name, rule.query, group.name, group.file, rule.lastError, ...pairs].join(" ").toLowerCase();
  return words.every((word) => haystack.includes(word));
}

/** Returns the groups with the rules that fit; groups that the filter empties are left out. */
export function filterGroups(groups: readonly RuleGroup[], filter: RuleFilter, wanted: (rule: Rule) => boolean): RuleGroup[] {
  return groups
    .map((group) => ({
      ...group,
      rules: group.rules.filter((rule) => wanted(rule) && (filter.state === null || rule.state === filter.state) && (filter.health === null || rule.health === filter.health) && matchesText(rule, group, filter.text)),
    }))
    .filter((group) => group.rules.length > 0);
}

const LOUDNESS: Readonly<Record<AlertState, number>> = { firing: 0, pending: 1, unknown: 2, inactive: 3 };

/** Returns the rules with what needs attention first; the file's order within a state. */
export function loudestFirst(rules: readonly Rule[]): Rule[] {
  return rules.toSorted((a, b) => LOUDNESS[a.state] - LOUDNESS[b.state]);
}

/** Returns ms, or `null` for Go's zero time and what is no time. */
export function instantOf(text: string): number | null {
  const ms = Date.parse(text);
  return Number.isNaN(ms) || ms <= 0 ? null : ms;
}

export interface Threshold {
  /** What is compared. */
  readonly expr: string;
  readonly op: string;
  readonly value: number;
}

/** Returns what an alert compares with which number, out of its plan; `null` when it is no such comparison. */
export function thresholdOf(nodes: readonly PlanNode[]): Threshold | null {
  const root = nodes.find((node) => node.parent === null);
  const match = root === undefined ? null : /(>=|<=|==|!=|>|<)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*$/.exec(root.query);
  if (root === undefined || match === null || !/^(scalar|elementwise) /.test(root.operator)) return null;
  const compared = nodes.find((node) => node.parent === root.id && node.operator !== "constant");
  return compared === undefined ? null : { expr: compared.query, op: match[1] ?? "", value: Number(match[2]) };
}

/** A time during which one alert would have fired; seconds. */
export interface Episode {
  readonly name: string;
  readonly activeS: number;
  readonly firedS: number;
  readonly endS: number;
}

/**
 * Returns when an alert would have fired, given what its expression returned at each evaluation: it fires once it has
 * been returned for `forS` without a gap, and goes on for `keepS` after.
 */
export function backtest(frames: readonly Frame[], stepS: number, forS: number, keepS: number): Episode[] {
  const episodes: Episode[] = [];
  for (const frame of frames) {
    const name = metricText(Object.fromEntries(Object.entries(frame.labels).filter(([label]) => label !== "__name__")));
    let startS = frame.t[0] ?? 0;
    let lastS = startS;
    const close = (): void => {
      if (lastS - startS >= forS) episodes.push({ name, activeS: startS, firedS: startS + Math.ceil(forS / stepS) * stepS, endS: lastS + stepS + keepS });
    };
    for (const time of frame.t) {
      // While it is kept firing, a return is no new episode.
      const reach = stepS * 1.5 + (lastS - startS >= forS ? keepS : 0);
      if (time - lastS > reach) {
        close();
        startS = time;
      }
      lastS = time;
    }
    if (frame.t.length > 0) close();
  }
  return episodes.sort((a, b) => b.firedS - a.firedS);
}
