// Rule groups as the API tells them.
import { request } from "../../api/client";
import { type Decoder, list, number, object, oneOf, optional, string } from "../../api/decode";
import { type Labels, labels } from "../../api/types";

export type AlertState = "firing" | "pending" | "inactive" | "unknown";
export type RuleHealth = "ok" | "err" | "unknown";

export interface ActiveAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: AlertState;
  /** RFC 3339. */
  readonly activeAt: string;
  readonly value: string;
}

export interface Rule {
  readonly type: "alerting" | "recording";
  readonly name: string;
  readonly query: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: AlertState;
  /** Seconds that the expression must hold before the alert fires. */
  readonly duration: number;
  readonly keepFiringFor: number;
  readonly alerts: readonly ActiveAlert[];
  readonly health: RuleHealth;
  readonly lastError: string;
  /** Seconds. */
  readonly evaluationTime: number;
  readonly lastEvaluation: string;
}

export interface RuleGroup {
  readonly name: string;
  readonly file: string;
  /** Seconds. */
  readonly interval: number;
  readonly limit: number;
  readonly evaluationTime: number;
  readonly lastEvaluation: string;
  readonly rules: readonly Rule[];
}

const STATES = ["firing", "pending", "inactive", "unknown"] as const;
const alert: Decoder<ActiveAlert> = object<{ [K in keyof ActiveAlert]: ActiveAlert[K] }>({
  labels,
  annotations: optional(labels, {}),
  state: oneOf<AlertState>(STATES, "unknown"),
  activeAt: optional(string, ""),
  value: optional(string, ""),
});
const rule: Decoder<Rule> = object<{ [K in keyof Rule]: Rule[K] }>({
  type: oneOf<"alerting" | "recording">(["alerting", "recording"], "recording"),
  name: string,
  query: string,
  labels: optional(labels, {}),
  annotations: optional(labels, {}),
  state: oneOf<AlertState>(STATES, "unknown"),
  duration: optional(number, 0),
  keepFiringFor: optional(number, 0),
  alerts: optional(list(alert), []),
  health: oneOf<RuleHealth>(["ok", "err", "unknown"], "unknown"),
  lastError: optional(string, ""),
  evaluationTime: optional(number, 0),
  lastEvaluation: optional(string, ""),
});
const group: Decoder<RuleGroup> = object<{ [K in keyof RuleGroup]: RuleGroup[K] }>({
  name: string,
  file: string,
  interval: number,
  limit: optional(number, 0),
  evaluationTime: optional(number, 0),
  lastEvaluation: optional(string, ""),
  rules: list(rule),
});
const groups = object<{ groups: RuleGroup[] }>({ groups: list(group) });

export async function loadRules(stop: AbortSignal): Promise<readonly RuleGroup[]> {
  return (await request("api/v1/rules", {}, groups, stop)).data.groups;
}
