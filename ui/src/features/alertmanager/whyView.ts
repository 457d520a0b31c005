// The history of an alert as people read it: by day, by what came of it.
import type { WhyAlert, WhyEvent } from "./whyApi";

export const OUTCOME_KINDS = ["sent", "failed", "quiet"] as const;
export type OutcomeKind = (typeof OUTCOME_KINDS)[number];

/** Returns what an outcome comes to: told, not told although meant to be, or kept quiet on purpose. */
export function kindOf(outcome: string): OutcomeKind {
  return outcome === "sent" || outcome === "failed" ? outcome : "quiet";
}

export interface Day {
  readonly name: string;
  readonly events: readonly WhyEvent[];
}

/** Splits events, newest first, into the days that `nameOf` names. */
export function byDay(events: readonly WhyEvent[], nameOf: (ms: number) => string): Day[] {
  const days: { name: string; events: WhyEvent[] }[] = [];
  for (const event of events) {
    const name = nameOf(Date.parse(event.at));
    const last = days.at(-1);
    if (last?.name === name) last.events.push(event);
    else days.push({ name, events: [event] });
  }
  return days;
}

const URGENCY = ["active", "suppressed"];

/** Returns the alerts, those that fire first. */
export function loudest(alerts: readonly WhyAlert[]): WhyAlert[] {
  const rank = (alert: WhyAlert): number => (URGENCY.includes(alert.state) ? URGENCY.indexOf(alert.state) : URGENCY.length);
  return alerts.toSorted((a, b) => rank(a) - rank(b));
}
