// What the server wants people to know at once: heard live while somebody looks, else asked for now and then.
import { signal } from "@preact/signals";
import { baseUrl, request } from "../api/client";
import { list, object, optional, string } from "../api/decode";

export interface Notification {
  readonly text: string;
  /** RFC 3339: since when. */
  readonly date: string;
  /** False in the last word about it. */
  readonly active: boolean;
}

const notification = object<{ text: string; date: string; active: boolean }>({ text: string, date: optional(string, ""), active: (input) => input !== false });

/** Those that hold now, oldest first. */
export const notifications = signal<readonly Notification[]>([]);

/** Returns the list after one more word. */
export function heard(before: readonly Notification[], word: Notification): readonly Notification[] {
  const others = before.filter((one) => one.text !== word.text);
  return word.active ? [...others, word] : others;
}

const ASK_EVERY_MS = 30_000;

/**
 * Listens until the returned function is called. A hidden tab hangs up: a browser has few connections to one server,
 * and many open tabs must not use them up. Where the server has no more ears, the list is asked for instead.
 */
export function listen(): () => void {
  let source: EventSource | null = null;
  let timer = 0;
  const stop = new AbortController();
  const hangUp = (): void => {
    source?.close();
    source = null;
    window.clearTimeout(timer);
  };
  const ask = (): void => {
    request("api/v1/notifications", {}, list(notification), stop.signal).then(
      ({ data }) => {
        notifications.value = data.filter((one) => one.active);
        timer = window.setTimeout(ask, ASK_EVERY_MS);
      },
      // A server without notifications has none to tell.
      () => undefined,
    );
  };
  const start = (): void => {
    hangUp();
    if (document.hidden) return;
    const own = new EventSource(new URL("api/v1/notifications/live", baseUrl));
    source = own;
    // Every connection begins with all that holds.
    own.onopen = () => (notifications.value = []);
    own.onmessage = ({ data }) => {
      try {
        notifications.value = heard(notifications.value, notification(JSON.parse(String(data)) as unknown, "notification"));
      } catch {
        // A word that cannot be read is no reason to stop listening.
      }
    };
    own.onerror = () => {
      if (own.readyState !== EventSource.CLOSED || source !== own) return;
      source = null;
      ask();
    };
  };
  document.addEventListener("visibilitychange", start);
  start();
  return () => {
    document.removeEventListener("visibilitychange", start);
    stop.abort();
    hangUp();
  };
}
