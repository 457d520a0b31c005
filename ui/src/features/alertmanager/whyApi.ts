// Why somebody was told of an alert, or was not: what holds now, and what happened.
import { bareRequest } from "../../api/client";
import { type Decoder, list, number, object, optional, string } from "../../api/decode";
import { type Labels, labels } from "../../api/types";
import { type Matcher, matcherText } from "./matchers";

/** What the notification log holds of one integration. */
export interface Told {
  readonly integration: string;
  readonly at: string;
  readonly firing: number;
  readonly resolved: number;
  /** When the same would be told again. */
  readonly repeats: string;
}

export interface WhyRoute {
  readonly route: string;
  readonly receiver: string;
  readonly groupKey: string;
  readonly mutedBy: readonly string[];
  /** When its group is looked at next; empty without a group. */
  readonly nextFlush: string;
  readonly told: readonly Told[];
}

export interface WhyEvent {
  readonly at: string;
  readonly route: string;
  readonly receiver: string;
  /** Empty where it came to none. */
  readonly integration: string;
  /** `firing` or `resolved`; empty where it was not told. */
  readonly status: string;
  readonly outcome: string;
  readonly why: string;
}

export interface WhyAlert {
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly state: string;
  readonly silencedBy: readonly string[];
  readonly inhibitedBy: { readonly rule: number; readonly fingerprint: string } | null;
  readonly routes: readonly WhyRoute[];
  /** Newest first. */
  readonly history: readonly WhyEvent[];
}

const told = object<{ [K in keyof Told]: Told[K] }>({ integration: string, at: string, firing: optional(number, 0), resolved: optional(number, 0), repeats: optional(string, "") });
const route = object<{ route: string; receiver: string; groupKey: string; mutedBy: string[]; nextFlush: string; told: Told[] }>({
  route: string,
  receiver: string,
  groupKey: optional(string, ""),
  mutedBy: optional(list(string), []),
  nextFlush: optional(string, ""),
  told: optional(list(told), []),
});
const event = object<{ [K in keyof WhyEvent]: WhyEvent[K] }>({
  at: string,
  route: optional(string, ""),
  receiver: optional(string, ""),
  integration: optional(string, ""),
  status: optional(string, ""),
  outcome: string,
  why: optional(string, ""),
});
const inhibition = optional<{ rule: number; fingerprint: string } | null>(object<{ rule: number; fingerprint: string }>({ rule: number, fingerprint: string }), null);
const now = object({ state: string, silencedBy: optional(list(string), []), inhibitedBy: inhibition, routes: optional(list(route), []) });
export const whyAlert: Decoder<WhyAlert> = (input, path) => {
  const raw = object({ fingerprint: string, labels, now, history: optional(list(event), []) })(input, path);
  return { fingerprint: raw.fingerprint, labels: raw.labels, history: raw.history, ...raw.now };
};

/** Asks about the alerts that the matchers fit, now and in the past. */
export function askWhy(matchers: readonly Matcher[], stop: AbortSignal): Promise<WhyAlert[]> {
  return bareRequest("GET", "api/v2/alerts/why", { filter: matchers.map(matcherText) }, undefined, list(whyAlert), stop);
}

/** How one integration took a test notification. */
export interface Trial {
  readonly integration: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly error: string;
}

const trial = object<{ [K in keyof Trial]: Trial[K] }>({ integration: string, ok: (input) => input === true, seconds: optional(number, 0), error: optional(string, "") });

/** Sends a test notification to every integration of a receiver. */
export function tryReceiver(receiver: string, stop: AbortSignal): Promise<Trial[]> {
  return bareRequest("POST", "api/v2/receivers/test", {}, { receiver }, list(trial), stop);
}
