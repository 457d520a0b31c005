// What the reader chose and the browser remembers: theme, language and time zone.
import { effect, signal } from "@preact/signals";
import type { Locale } from "../lib/format";
import { setZone, type Zone } from "../lib/time";

export type Theme = "system" | "light" | "dark";

/** Reads what {@link store} wrote; `null` when there is nothing or the browser forbids it. */
export function stored(key: string): string | null {
  try {
    return window.localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Remembers a text, or forgets it. */
export function store(key: string, value: string | null): void {
  try {
    if (value === null) window.localStorage.removeItem(key);
    else window.localStorage.setItem(key, value);
  } catch {
    // Forbidden storage costs the memory of a choice, nothing else.
  }
}

function firstTheme(): Theme {
  const theme = stored("watchfire.theme");
  return theme === "light" || theme === "dark" ? theme : "system";
}

function firstLocale(): Locale {
  return (stored("watchfire.locale") ?? window.navigator.language).startsWith("ko") ? "ko" : "en";
}

export const theme = signal<Theme>(firstTheme());
export const locale = signal<Locale>(firstLocale());
/** The zone of every instant shown. */
export const zone = signal<Zone>(stored("watchfire.zone") === "utc" ? "utc" : "local");
setZone(zone.value);

/** Shows every instant in another zone. */
export function chooseZone(chosen: Zone): void {
  setZone(chosen);
  store("watchfire.zone", chosen === "utc" ? "utc" : null);
  zone.value = chosen;
}

const darkSystem = window.matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(darkSystem.matches);
darkSystem.addEventListener("change", (event) => {
  systemIsDark.value = event.matches;
});

/** Returns which palette is on screen; charts on canvas must be told. */
export function isDark(): boolean {
  return theme.value === "system" ? systemIsDark.value : theme.value === "dark";
}

/** Keeps the page and the browser's memory in step with the choices. */
export function applySettings(): void {
  effect(() => {
    const root = document.documentElement;
    if (theme.value === "system") delete root.dataset["theme"];
    else root.dataset["theme"] = theme.value;
    store("watchfire.theme", theme.value === "system" ? null : theme.value);
  });
  let first = true;
  effect(() => {
    document.documentElement.lang = locale.value;
    // A language nobody chose follows the browser next time too.
    if (!first) store("watchfire.locale", locale.value);
    first = false;
  });
}
