// What the reader chose and the browser remembers: theme and language.
import { effect, signal } from "@preact/signals";
import type { Locale } from "../lib/format";

export type Theme = "system" | "light" | "dark";

function stored(key: string): string | null {
  try {
    return window.localStorage.getItem(key);
  } catch {
    return null;
  }
}

function store(key: string, value: string | null): void {
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
