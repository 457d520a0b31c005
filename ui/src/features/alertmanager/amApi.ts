// The Alertmanager's API, as far as the UI reads it.
import { bareRequest, type Params } from "../../api/client";
import { type Decoder, list, object, oneOf, optional, record, string } from "../../api/decode";
import { type Labels, labels } from "../../api/types";
import { type Matcher, matcherText, toWire, type WireMatcher } from "./matchers";

export interface GettableAlert {
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: string;
  readonly generatorURL: string;
  readonly state: "active" | "suppressed" | "unprocessed";
  readonly silencedBy: readonly string[];
  readonly inhibitedBy: readonly string[];
  readonly mutedBy: readonly string[];
  readonly receivers: readonly string[];
}

const name = object<{ name: string }>({ name: string });
const status = object<{ state: GettableAlert["state"]; silencedBy: string[]; inhibitedBy: string[]; mutedBy: string[] }>({
  state: oneOf<GettableAlert["state"]>(["active", "suppressed", "unprocessed"], "active"),
  silencedBy: optional(list(string), []),
  inhibitedBy: optional(list(string), []),
  mutedBy: optional(list(string), []),
});
const alert: Decoder<GettableAlert> = (input, path) => {
  const raw = object({ fingerprint: string, labels, annotations: optional(labels, {}), startsAt: string, generatorURL: optional(string, ""), status, receivers: optional(list(name), []) })(input, path);
  const { status: told, receivers, ...rest } = raw;
  return { ...rest, ...told, receivers: receivers.map((one) => one.name) };
};

export interface AlertGroup {
  readonly labels: Labels;
  readonly receiver: string;
  readonly alerts: readonly GettableAlert[];
}

const group: Decoder<AlertGroup> = (input, path) => {
  const raw = object({ labels: optional(labels, {}), receiver: name, alerts: list(alert) })(input, path);
  return { labels: raw.labels, receiver: raw.receiver.name, alerts: raw.alerts };
};

export type SilenceState = "active" | "pending" | "expired";

export interface Silence {
  readonly id: string;
  readonly state: SilenceState;
  readonly matchers: readonly WireMatcher[];
  readonly startsAt: string;
  readonly endsAt: string;
  readonly updatedAt: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly annotations: Labels;
}

const wireMatcher: Decoder<WireMatcher> = object<{ [K in keyof WireMatcher]: WireMatcher[K] }>({
  name: string,
  value: string,
  isRegex: (input) => input === true,
  // Absent in what old versions wrote: then it is an equality.
  isEqual: (input) => input !== false,
});
const silence: Decoder<Silence> = (input, path) => {
  const raw = object({
    id: string,
    status: object({ state: oneOf<SilenceState>(["active", "pending", "expired"], "expired") }),
    matchers: list(wireMatcher),
    startsAt: string,
    endsAt: string,
    updatedAt: optional(string, ""),
    createdBy: optional(string, ""),
    comment: optional(string, ""),
    annotations: optional(labels, {}),
  })(input, path);
  const { status: told, ...rest } = raw;
  return { ...rest, state: told.state };
};

export interface AmStatus {
  readonly cluster: { readonly status: string; readonly name: string; readonly peers: readonly { readonly name: string; readonly address: string }[] };
  readonly config: { readonly original: string };
  readonly uptime: string;
  readonly versionInfo: Readonly<Record<string, string>>;
}

const peer = object<{ name: string; address: string }>({ name: string, address: string });
const amStatus: Decoder<AmStatus> = object<{ [K in keyof AmStatus]: AmStatus[K] }>({
  cluster: object<{ status: string; name: string; peers: { name: string; address: string }[] }>({ status: string, name: optional(string, ""), peers: optional(list(peer), []) }),
  config: object<{ original: string }>({ original: string }),
  uptime: string,
  versionInfo: record(string),
});

export interface AlertQuery {
  readonly matchers: readonly Matcher[];
  readonly receiver: string | null;
  readonly silenced: boolean;
  readonly inhibited: boolean;
  readonly muted: boolean;
  readonly active: boolean;
}

function alertParams(query: AlertQuery): Params {
  return {
    filter: query.matchers.map(matcherText),
    silenced: String(query.silenced),
    inhibited: String(query.inhibited),
    muted: String(query.muted),
    active: String(query.active),
    // The parameter is a regular expression; a receiver's name is text.
    ...(query.receiver === null ? {} : { receiver: query.receiver.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&") }),
  };
}

/** What a form sends; times in RFC 3339. */
export interface SilenceDraft {
  readonly id: string | null;
  readonly matchers: readonly Matcher[];
  readonly startsAt: string;
  readonly endsAt: string;
  readonly createdBy: string;
  readonly comment: string;
}

const nothing: Decoder<undefined> = () => undefined;

export const amApi = {
  groups: (query: AlertQuery, stop: AbortSignal) => bareRequest("GET", "api/v2/alerts/groups", alertParams(query), undefined, list(group), stop),
  alerts: (query: AlertQuery, stop: AbortSignal) => bareRequest("GET", "api/v2/alerts", alertParams(query), undefined, list(alert), stop),
  silences: (stop: AbortSignal) => bareRequest("GET", "api/v2/silences", {}, undefined, list(silence), stop),
  silence: (id: string, stop: AbortSignal) => bareRequest("GET", `api/v2/silence/${encodeURIComponent(id)}`, {}, undefined, silence, stop),
  save: ({ id, matchers, ...rest }: SilenceDraft, stop: AbortSignal) =>
    bareRequest("POST", "api/v2/silences", {}, { ...(id === null ? {} : { id }), ...rest, matchers: matchers.map(toWire) }, object<{ silenceID: string }>({ silenceID: string }), stop),
  expire: (id: string, stop: AbortSignal) => bareRequest("DELETE", `api/v2/silence/${encodeURIComponent(id)}`, {}, undefined, nothing, stop),
  receivers: (stop: AbortSignal) => bareRequest("GET", "api/v2/receivers", {}, undefined, list(name), stop),
  status: (stop: AbortSignal) => bareRequest("GET", "api/v2/status", {}, undefined, amStatus, stop),
};

/** All alerts that some matchers fit, silenced or not. */
export function everyAlert(matchers: readonly Matcher[]): AlertQuery {
  return { matchers, receiver: null, silenced: true, inhibited: true, muted: true, active: true };
}
