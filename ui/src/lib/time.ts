// Instants as people read them, in the reader's language and the zone they chose: the browser's, or UTC.
import type { Locale } from "./format";

export type Zone = "local" | "utc";

let zone: Zone = "local";
const formats = new Map<string, Intl.DateTimeFormat>();

/** Chooses the zone of every text here. Not an argument of each: a page that mixed zones would mislead. */
export function setZone(chosen: Zone): void {
  zone = chosen;
}

/** Returns the zone in which instants are shown. */
export function shownZone(): Zone {
  return zone;
}

/** Returns the instant so that its UTC fields are the fields shown. */
function fields(ms: number): Date {
  return new Date(zone === "utc" ? ms : ms - new Date(ms).getTimezoneOffset() * 60_000);
}

function dateFormat(locale: Locale, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + zone + JSON.stringify(options);
  let format = formats.get(key);
  if (format === undefined) {
    format = new Intl.DateTimeFormat(locale === "ko" ? "ko-KR" : "en-GB", zone === "utc" ? { ...options, timeZone: "UTC" } : options);
    formats.set(key, format);
  }
  return format;
}

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
const CLOCK_S = { ...CLOCK, second: "2-digit" } as const;
const DAY = { month: "short", day: "numeric" } as const;

/** Returns an axis label; `incrementS` is the distance of two labels. Midnight shows the day instead of 00:00. */
export function formatAxisTime(seconds: number, incrementS: number, locale: Locale): string {
  const date = new Date(seconds * 1000);
  const atMidnight = fields(seconds * 1000).getTime() % 86_400_000 === 0;
  if (incrementS >= 86_400 || atMidnight) return dateFormat(locale, DAY).format(date);
  return dateFormat(locale, incrementS < 60 ? CLOCK_S : CLOCK).format(date);
}

/** Returns an instant to the second, with its day. */
export function formatInstant(ms: number, locale: Locale): string {
  return dateFormat(locale, { year: "numeric", ...DAY, ...CLOCK_S }).format(ms);
}

/** Returns the day of an instant. */
export function formatDay(ms: number, locale: Locale): string {
  return dateFormat(locale, { weekday: "short", year: "numeric", ...DAY }).format(ms);
}

/** Returns a time of day to the second. */
export function formatClock(ms: number, locale: Locale): string {
  return dateFormat(locale, CLOCK_S).format(ms);
}

/** Returns a short `from – to`; the day only where it is needed. */
export function formatRange(fromMs: number, toMs: number, nowMs: number, locale: Locale): string {
  const today = sameDay(fromMs, nowMs) && sameDay(toMs, nowMs);
  const full = { ...DAY, ...CLOCK };
  const from = dateFormat(locale, today ? CLOCK_S : full).format(fromMs);
  const to = dateFormat(locale, today ? CLOCK_S : sameDay(fromMs, toMs) ? CLOCK : full).format(toMs);
  return `${from} – ${to}`;
}

function sameDay(a: number, b: number): boolean {
  return fields(a).toISOString().slice(0, 10) === fields(b).toISOString().slice(0, 10);
}

/** Returns the value of an `<input type="datetime-local">` with seconds. */
export function toInputValue(ms: number): string {
  return fields(ms).toISOString().slice(0, 19);
}

/** Reads an `<input type="datetime-local">`; `null` when it is empty. */
export function fromInputValue(text: string): number | null {
  const ms = new Date(zone === "utc" ? `${text}Z` : text).getTime();
  return text === "" || Number.isNaN(ms) ? null : ms;
}
