// A page's clock: it ticks while somebody looks, and at once when they come back.
import { useEffect, useState } from "preact/hooks";
import { serverNow } from "../api/client";

/** Returns now by the server's clock (ms), anew every `everyMs`; 0 stops the clock. `poke` sets it by hand. */
export function useClock(everyMs: number): { nowMs: number; poke: () => void } {
  const [nowMs, setNow] = useState(serverNow);
  useEffect(() => {
    if (everyMs <= 0) return undefined;
    const tick = (): void => {
      if (!document.hidden) setNow(serverNow());
    };
    const timer = window.setInterval(tick, everyMs);
    document.addEventListener("visibilitychange", tick);
    return () => {
      window.clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  }, [everyMs]);
  return { nowMs, poke: () => setNow(serverNow()) };
}
