// The worker behind `askInWorker`.
import type { FromWorker, ToWorker } from "./parseInWorker";
import { ApiError, readReply } from "./reply";
import { type QueryResult, queryResult } from "./types";

const running = new Map<number, AbortController>();

function buffers(result: QueryResult): ArrayBuffer[] {
  return result.kind === "matrix" ? result.frames.flatMap((frame) => [frame.t.buffer as ArrayBuffer, frame.v.buffer as ArrayBuffer]) : [];
}

async function answer(url: string, init: RequestInit, stop: AbortSignal): Promise<{ reply: ReturnType<typeof readReply<QueryResult>>; date: string | null }> {
  const response = await fetch(url, { ...init, signal: stop }).catch((error: unknown) => {
    throw new ApiError("offline", error instanceof Error ? error.message : String(error), "network");
  });
  return { reply: readReply(response.status, await response.text(), queryResult), date: response.headers.get("Date") };
}

function post(message: FromWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

self.onmessage = (event: MessageEvent<ToWorker>) => {
  const message = event.data;
  if ("cancel" in message) {
    running.get(message.id)?.abort();
    return;
  }
  const { id } = message;
  const controller = new AbortController();
  running.set(id, controller);
  answer(message.url, message.init, controller.signal)
    .then(
      ({ reply, date }) => post({ id, reply, date }, buffers(reply.data)),
      (error: unknown) => {
        const known = error instanceof ApiError ? error : new ApiError("garbled", String(error), "worker");
        post({ id, failed: { kind: known.kind, message: known.message, errorType: known.errorType } });
      },
    )
    .finally(() => running.delete(id));
};
