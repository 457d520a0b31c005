// The one way to the server: typed, cancellable, and aware of whether anybody answers.
import { signal } from "@preact/signals";
import type { Decoder } from "./decode";
import { askInWorker } from "./parseInWorker";
import { ApiError, readBare, type Reply, readReply } from "./reply";
import { buildInfo, type QueryResult, queryResult, targets } from "./types";

export { ApiError, type ApiErrorKind, type Reply, readReply } from "./reply";

export type Params = Readonly<Record<string, string | readonly string[]>>;

/** The UI's root, taken from the page: it works under any sub-path without being told. */
export const baseUrl = new URL(".", typeof document === "undefined" ? "http://localhost/" : document.baseURI);

/** `null` while the server answers; else the last reason why not. Pages read on, a banner tells. */
export const outage = signal<ApiError | null>(null);

/** Counts up when the user asks for another try; loaders depend on it. */
export const retries = signal(0);

// Longer addresses are refused by some proxies; such queries travel in a body.
const MAX_GET_LENGTH = 3_000;

function encode(params: Params): URLSearchParams {
  const encoded = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of typeof value === "string" ? [value] : value) encoded.append(name, one);
  }
  return encoded;
}

/** A request as `fetch` takes it, and as a worker can be sent it. */
function prepared(path: string, params: Params): { url: string; init: RequestInit } {
  const url = new URL(path, baseUrl);
  const query = encode(params).toString();
  if (query.length > MAX_GET_LENGTH) {
    return { url: url.href, init: { method: "POST", body: query, headers: { "Content-Type": "application/x-www-form-urlencoded" } } };
  }
  url.search = query;
  return { url: url.href, init: { headers: { Accept: "application/json" } } };
}

/** Runs a request and keeps {@link outage} and the clock true to what was seen. */
async function watched<T>(ask: () => Promise<{ reply: Reply<T>; date: string | null }>): Promise<Reply<T>> {
  try {
    const { reply, date } = await ask();
    skewMs = readSkew(date, Date.now());
    outage.value = null;
    return reply;
  } catch (error) {
    if (error instanceof ApiError) outage.value = error.kind === "offline" || error.kind === "starting" ? error : null;
    throw error;
  }
}

/** Sends, and calls a server that nobody reached by its name: offline. */
async function send(url: string, init: RequestInit, stop: AbortSignal): Promise<Response> {
  return fetch(url, { ...init, signal: stop }).catch((error: unknown) => {
    if (stop.aborted) throw error;
    throw new ApiError("offline", error instanceof Error ? error.message : String(error), "network");
  });
}

/** Asks the server once. Throws {@link ApiError}; a cancelled request throws the platform's `AbortError`. */
export async function request<T>(path: string, params: Params, decoder: Decoder<T>, stop: AbortSignal): Promise<Reply<T>> {
  return watched(async () => {
    const { url, init } = prepared(path, params);
    const response = await send(url, init, stop);
    return { reply: readReply(response.status, await response.text(), decoder), date: response.headers.get("Date") };
  });
}

/** Asks an Alertmanager, whose answers are bare JSON and whose errors are texts. */
export async function bareRequest<T>(method: "GET" | "POST" | "DELETE", path: string, params: Params, body: unknown, decoder: Decoder<T>, stop: AbortSignal): Promise<T> {
  const url = new URL(path, baseUrl);
  url.search = encode(params).toString();
  const init: RequestInit = body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const { data } = await watched(async () => {
    const response = await send(url.href, init, stop);
    return { reply: readBare(response.status, await response.text(), decoder), date: response.headers.get("Date") };
  });
  return data;
}

/** Like {@link request} for what may be large: read and decoded beside the page, which stays responsive. */
async function largeRequest(path: string, params: Params, stop: AbortSignal): Promise<Reply<QueryResult>> {
  const { url, init } = prepared(path, params);
  return watched(async () => {
    const asked = askInWorker(url, init, stop);
    if (asked !== null) return asked;
    return { reply: await request(path, params, queryResult, stop), date: null };
  });
}

let skewMs = 0;

/**
 * Returns now by the server's clock (ms), as its answers' `Date` told it: a browser whose clock is off would ask for
 * a time that the server has no samples of.
 */
export function serverNow(): number {
  return Date.now() + skewMs;
}

/** Returns how far the server's clock is ahead; within the header's coarseness and a slow network it counts as equal. */
export function readSkew(dateHeader: string | null, nowMs: number): number {
  const serverMs = Date.parse(dateHeader ?? "");
  // The header has whole seconds, so on average it is half a second old.
  const skew = serverMs + 500 - nowMs;
  return Number.isNaN(skew) || Math.abs(skew) < 3_000 ? 0 : skew;
}

export interface RangeQuery {
  readonly query: string;
  readonly startS: number;
  readonly endS: number;
  readonly stepS: number;
}

export const api = {
  query(query: string, timeS: number | null, stop: AbortSignal): Promise<Reply<QueryResult>> {
    const time: Params = timeS === null ? {} : { time: String(timeS) };
    return request("api/v1/query", { query, ...time }, queryResult, stop);
  },
  queryRange(range: RangeQuery, stop: AbortSignal): Promise<Reply<QueryResult>> {
    const params = { query: range.query, start: String(range.startS), end: String(range.endS), step: String(range.stepS) };
    return request("api/v1/query_range", params, queryResult, stop);
  },
  /** {@link queryRange} for answers of any size. */
  largeQueryRange(range: RangeQuery, stop: AbortSignal): Promise<Reply<QueryResult>> {
    const params = { query: range.query, start: String(range.startS), end: String(range.endS), step: String(range.stepS) };
    return largeRequest("api/v1/query_range", params, stop);
  },
  targets: (stop: AbortSignal) => request("api/v1/targets", { state: "active" }, targets, stop),
  buildInfo: (stop: AbortSignal) => request("api/v1/status/buildinfo", {}, buildInfo, stop),
};
