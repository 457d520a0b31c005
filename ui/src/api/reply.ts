// What an answer says, before anybody asks who it was for: shared by the page and its worker.
import { type Decoder, DecodeError, list, optional, string } from "./decode";

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

/** Turns an Alertmanager's body, which has no envelope, into data or throws what it says. */
export function readBare<T>(status: number, body: string, decoder: Decoder<T>): Reply<T> {
  const json = parseJson(body);
  if (status === 502 || status === 504) throw new ApiError("offline", body.trim().slice(0, 200), String(status));
  if (status === 503) throw new ApiError("starting", body.trim().slice(0, 200), "503");
  if (status < 200 || status > 299) throw new ApiError("refused", typeof json === "string" ? json : body.trim().slice(0, 400), String(status));
  try {
    return { data: decoder(json, "data"), warnings: [], infos: [] };
  } catch (error) {
    if (error instanceof DecodeError) throw new ApiError("garbled", error.message, "decode");
    throw error;
  }
}
