// Reading large answers beside the page: the worker fetches, decodes and hands over columns without copying them.
import { ApiError, type ApiErrorKind, type Reply } from "./reply";
import type { QueryResult } from "./types";

/** From the page: a request, or that nobody waits for it any more. */
export type ToWorker = { readonly id: number; readonly url: string; readonly init: RequestInit } | { readonly id: number; readonly cancel: true };

/** From the worker: an answer, or why there is none. */
export type FromWorker =
  | { readonly id: number; readonly reply: Reply<QueryResult>; readonly date: string | null }
  | { readonly id: number; readonly failed: { readonly kind: ApiErrorKind; readonly message: string; readonly errorType: string } };

interface Answer {
  readonly reply: Reply<QueryResult>;
  readonly date: string | null;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

const waiting = new Map<number, Waiting>();
let worker: Worker | null = null;
let lastId = 0;

function started(): Worker {
  if (worker !== null) return worker;
  const built = new Worker(new URL("./parseWorker.ts", import.meta.url), { type: "module" });
  built.onmessage = (event: MessageEvent<FromWorker>) => {
    const message = event.data;
    const asker = waiting.get(message.id);
    waiting.delete(message.id);
    if (asker === undefined) return;
    if ("reply" in message) asker.resolve(message);
    else asker.reject(new ApiError(message.failed.kind, message.failed.message, message.failed.errorType));
  };
  built.onerror = (event) => {
    for (const asker of waiting.values()) asker.reject(new ApiError("garbled", event.message, "worker"));
    waiting.clear();
  };
  worker = built;
  return built;
}

/** Asks through the worker; `null` where the platform has none (unit tests). */
export function askInWorker(url: string, init: RequestInit, stop: AbortSignal): Promise<Answer> | null {
  if (typeof Worker === "undefined") return null;
  const id = (lastId += 1);
  return new Promise((resolve, reject) => {
    const runner = started();
    waiting.set(id, { resolve, reject });
    stop.addEventListener("abort", () => {
      if (!waiting.delete(id)) return;
      runner.postMessage({ id, cancel: true } satisfies ToWorker);
      reject(stop.reason);
    });
    runner.postMessage({ id, url, init } satisfies ToWorker);
  });
}
