// The one way to the server: typed, cancellable, and aware of whether anybody answers.
import { signal } from "@preact/signals";
import { type Decoder, DecodeError, list, optional, string } from "./decode";
import { buildInfo, type QueryResult, queryResult, targets } from "./types";

/** Why a request gave no data. `offline`: nobody answered; `starting`: 503 before the server is ready. */
export type ApiErrorKind = "offline" | "starting" | "refused" | "garbled";

export class ApiError extends Error {
  constructor(
    readonly kind: ApiErrorKind,
    message: string,
    /** Prometheus's errorType (`bad_data`, `execution`, `timeout`…), or the HTTP status. */
    readonly errorType: string,
  ) {
    super(message);
  }
}

export interface Reply<T> {
  readonly data: T;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

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

async function send(path: string, params: Params, stop: AbortSignal): Promise<Response> {
  const url = new URL(path, baseUrl);
  const query = encode(params).toString();
  if (query.length > MAX_GET_LENGTH) {
    return fetch(url, { method: "POST", body: query, signal: stop, headers: { "Content-Type": "application/x-www-form-urlencoded" } });
  }
  url.search = query;
  return fetch(url, { signal: stop, headers: { Accept: "application/json" } });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Turns a body into data or throws what it says. */
export function readReply<T>(status: number, body: string, decoder: Decoder<T>): Reply<T> {
  const json = parseJson(body);
  if (typeof json !== "object" || json === null) {
    if (status === 503) throw new ApiError("starting", body.trim() || "Service Unavailable", "503");
    // A proxy speaks for a server that does not.
    if (status === 502 || status === 504) throw new ApiError("offline", body.trim().slice(0, 200), String(status));
    throw new ApiError("garbled", `HTTP ${status}: ${body.trim().slice(0, 200)}`, String(status));
  }
  const envelope = json as { status?: unknown; data?: unknown; error?: unknown; errorType?: unknown; warnings?: unknown; infos?: unknown };
  if (envelope.status !== "success") {
    const message = typeof envelope.error === "string" ? envelope.error : `HTTP ${status}`;
    throw new ApiError("refused", message, typeof envelope.errorType === "string" ? envelope.errorType : String(status));
  }
  try {
    return {
      data: decoder(envelope.data, "data"),
      warnings: optional(list(string), [])(envelope.warnings, "warnings"),
      infos: optional(list(string), [])(envelope.infos, "infos"),
    };
  } catch (error) {
    if (error instanceof DecodeError) throw new ApiError("garbled", error.message, "decode");
    throw error;
  }
}

/**
 * Asks the server once. Throws {@link ApiError}; a cancelled request throws the platform's `AbortError`.
 * Keeps {@link outage} true to what was seen.
 */
export async function request<T>(path: string, params: Params, decoder: Decoder<T>, stop: AbortSignal): Promise<Reply<T>> {
  try {
    const response = await send(path, params, stop).catch((error: unknown) => {
      if (stop.aborted) throw error;
      throw new ApiError("offline", error instanceof Error ? error.message : String(error), "network");
    });
    skewMs = readSkew(response.headers.get("Date"), Date.now());
    const reply = readReply(response.status, await response.text(), decoder);
    outage.value = null;
    return reply;
  } catch (error) {
    if (error instanceof ApiError) outage.value = error.kind === "offline" || error.kind === "starting" ? error : null;
    throw error;
  }
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
  targets: (stop: AbortSignal) => request("api/v1/targets", { state: "active" }, targets, stop),
  buildInfo: (stop: AbortSignal) => request("api/v1/status/buildinfo", {}, buildInfo, stop),
};
