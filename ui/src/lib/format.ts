// Numbers as people read them: a value, its unit and the reader's language make one short text.

export type Locale = "en" | "ko";

/**
 * Base units, as the metrics carry them: `ratio` is 0–1, `bytes` use binary prefixes (KiB), rates decimal ones
 * except `bytes/s`, `short` is a bare number shortened (12.3K, 1.2만).
 */
export type Unit = "ratio" | "bytes" | "bytes/s" | "bits/s" | "seconds" | "per_s" | "short" | "none";

export interface Formatted {
  readonly text: string;
  /** The unit behind the number; empty when the number stands alone. */
  readonly unit: string;
}

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;
const BITS = ["b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"] as const;
export const NO_VALUE = "–";

const numberFormats = new Map<string, Intl.NumberFormat>();

/** Returns a shared formatter: building one costs far more than using it. */
function numberFormat(locale: Locale, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = locale + JSON.stringify(options);
  let format = numberFormats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(locale === "ko" ? "ko-KR" : "en-US", options);
    numberFormats.set(key, format);
  }
  return format;
}

/** Decimals that leave about three significant digits. */
function decimalsFor(magnitude: number): number {
  if (magnitude === 0 || magnitude >= 100) return 0;
  if (magnitude >= 10) return 1;
  if (magnitude >= 1) return 2;
  return Math.min(6, 2 - Math.floor(Math.log10(magnitude)));
}

/** Returns `value` with a fixed number of decimals, grouped as the language does. */
export function formatNumber(value: number, locale: Locale, decimals?: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "−Inf";
  const digits = decimals ?? decimalsFor(Math.abs(value));
  const fixed = decimals === undefined ? {} : { minimumFractionDigits: digits };
  return numberFormat(locale, { maximumFractionDigits: digits, ...fixed }).format(value);
}

/** Returns the prefix index so that `|value| / base^index` is below `base`, rounding considered. */
function prefixIndex(value: number, base: number, count: number): number {
  let index = 0;
  let rest = Math.abs(value);
  while (index < count - 1 && rest >= base - 0.5) {
    rest /= base;
    index += 1;
  }
  return index;
}

function scaled(value: number, base: number, names: readonly string[], locale: Locale, decimals?: number): Formatted {
  const index = prefixIndex(value, base, names.length);
  const unit = names[index] ?? "";
  const number = value / base ** index;
  // Fractions of a byte or bit are noise.
  const digits = decimals ?? (index === 0 ? (Math.abs(number) >= 1 || number === 0 ? 0 : 1) : Math.min(decimalsFor(Math.abs(number)), 2));
  const fixed = decimals === undefined ? {} : { minimumFractionDigits: digits };
  return { text: numberFormat(locale, { maximumFractionDigits: digits, ...fixed }).format(number), unit };
}

function formatRatio(value: number, locale: Locale, decimals?: number): Formatted {
  const percent = value * 100;
  const size = Math.abs(percent);
  const digits = decimals ?? (size >= 99.95 || size === 0 ? 0 : size >= 0.1 ? 1 : 2);
  return { text: formatNumber(percent, locale, digits), unit: "%" };
}

function formatShort(value: number, locale: Locale): Formatted {
  if (Math.abs(value) < 10_000) return { text: formatNumber(value, locale), unit: "" };
  const options = { notation: "compact", maximumSignificantDigits: 3 } as const;
  return { text: numberFormat(locale, options).format(value), unit: "" };
}

function formatSeconds(value: number, locale: Locale): Formatted {
  const size = Math.abs(value);
  if (size === 0) return { text: "0", unit: locale === "ko" ? "초" : "s" };
  if (size < 1e-6) return { text: formatNumber(value * 1e9, locale), unit: "ns" };
  if (size < 1e-3) return { text: formatNumber(value * 1e6, locale), unit: "µs" };
  if (size < 1) return { text: formatNumber(value * 1e3, locale), unit: "ms" };
  if (size < 60) return { text: formatNumber(value, locale), unit: locale === "ko" ? "초" : "s" };
  return { text: formatSpan(value, locale), unit: "" };
}

/** Returns a unit-aware number in two parts, so that a tile can set the unit smaller. */
export function formatParts(value: number | null | undefined, unit: Unit, locale: Locale, decimals?: number): Formatted {
  if (value === null || value === undefined) return { text: NO_VALUE, unit: "" };
  if (!Number.isFinite(value)) return { text: formatNumber(value, locale), unit: "" };
  switch (unit) {
    case "ratio":
      return formatRatio(value, locale, decimals);
    case "bytes":
      return scaled(value, 1024, BINARY, locale, decimals);
    case "bytes/s": {
      const { text, unit: prefix } = scaled(value, 1024, BINARY, locale, decimals);
      return { text, unit: `${prefix}/s` };
    }
    case "bits/s":
      return scaled(value, 1000, BITS, locale, decimals);
    case "seconds":
      return formatSeconds(value, locale);
    case "per_s":
      return { text: formatShort(value, locale).text, unit: "/s" };
    case "short":
      return formatShort(value, locale);
    case "none":
      return { text: formatNumber(value, locale, decimals), unit: "" };
  }
}

/** Returns a unit-aware number as one text: `23.4 GiB`, `12.5%`, `3일 4시간`. */
export function formatUnit(value: number | null | undefined, unit: Unit, locale: Locale, decimals?: number): string {
  const parts = formatParts(value, unit, locale, decimals);
  if (parts.unit === "") return parts.text;
  const glued = parts.unit === "%" || parts.unit === "/s" || parts.unit === "초";
  return glued ? parts.text + parts.unit : `${parts.text} ${parts.unit}`;
}

/**
 * Returns the label of an axis tick; `step` is the distance of two ticks and decides the decimals, so that all
 * labels of an axis have as many as they need and no more.
 */
export function formatTick(value: number, step: number, unit: Unit, locale: Locale): string {
  if (unit === "ratio") return `${formatNumber(value * 100, locale, decimalsOfStep(step * 100))}%`;
  if (unit === "none") return formatNumber(value, locale, decimalsOfStep(step));
  return formatUnit(value, unit, locale);
}

function decimalsOfStep(step: number): number {
  for (let decimals = 0; decimals < 6; decimals += 1) {
    const shifted = step * 10 ** decimals;
    if (Math.abs(shifted - Math.round(shifted)) < 1e-6 * Math.max(1, shifted)) return decimals;
  }
  return 6;
}

const SPANS = [
  [86_400, "d", "일"],
  [3_600, "h", "시간"],
  [60, "min", "분"],
  [1, "s", "초"],
] as const;

/** Returns a length of time in its two largest units: `3 d 4 h`, `3일 4시간`. */
export function formatSpan(seconds: number, locale: Locale): string {
  const sign = seconds < 0 ? "−" : "";
  let rest = Math.round(Math.abs(seconds));
  const parts: string[] = [];
  for (const [size, english, korean] of SPANS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(locale === "ko" ? `${formatNumber(count, locale, 0)}${korean}` : `${formatNumber(count, locale, 0)} ${english}`);
    // "3 d 12 s" would be false precision: only neighbours are joined.
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  if (parts.length === 0) return locale === "ko" ? "0초" : "0 s";
  return sign + parts.join(" ");
}

/** Returns the value exactly as the API gave it, for tables where digits matter. */
export function formatRaw(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}
