// Loading for components: one hook that keeps the last good answer on screen while a newer one is on its way.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, retries } from "./client";

export type Loadable<T> =
  | { readonly kind: "loading" }
  | { readonly kind: "ok"; readonly data: T }
  /** `last` is what was shown before: still shown, marked as old. */
  | { readonly kind: "failed"; readonly error: ApiError; readonly last: T | undefined };

export interface Loaded<T> {
  readonly state: Loadable<T>;
  readonly busy: boolean;
}

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError("garbled", error instanceof Error ? error.message : String(error), "ui");
}

/** Returns what there is to show: the answer, or the last one before a failure. */
export function lastGood<T>(state: Loadable<T>): T | undefined {
  if (state.kind === "ok") return state.data;
  return state.kind === "failed" ? state.last : undefined;
}

/**
 * Loads `subject`, and again whenever `tick` changes or the user retries; a `null` subject loads nothing.
 *
 * A new subject cancels and forgets the old one. A new tick keeps the old answer on screen, and waits for a request
 * under way instead of cancelling it: else a server slower than the refresh would never be heard.
 */
export function useLoad<T>(subject: string | null, tick: number, load: (stop: AbortSignal) => Promise<T>): Loaded<T> {
  const [held, setHeld] = useState<{ subject: string | null; value: Loadable<T> }>({ subject, value: { kind: "loading" } });
  const [busy, setBusy] = useState(false);
  const latest = useRef(load);
  latest.current = load;
  const runner = useRef<{ start: () => void } | null>(null);
  const again = `${tick} ${retries.value}`;

  useEffect(() => {
    if (subject === null) return undefined;
    const controller = new AbortController();
    let underWay = false;
    let wanted = false;
    const start = (): void => {
      if (underWay) {
        wanted = true;
        return;
      }
      underWay = true;
      wanted = false;
      setBusy(true);
      void latest
        .current(controller.signal)
        .then(
          (data): Loadable<T> => ({ kind: "ok", data }),
          (error: unknown): Loadable<T> => ({ kind: "failed", error: asApiError(error), last: undefined }),
        )
        .then((value) => {
          underWay = false;
          if (controller.signal.aborted) return;
          setHeld((before) => ({
            subject,
            value: value.kind === "failed" && before.subject === subject ? { ...value, last: lastGood(before.value) } : value,
          }));
          setBusy(false);
          if (wanted) start();
        });
    };
    runner.current = { start };
    return () => {
      controller.abort();
      runner.current = null;
    };
  }, [subject]);

  useEffect(() => runner.current?.start(), [subject, again]);

  return { state: held.subject === subject ? held.value : { kind: "loading" }, busy };
}
