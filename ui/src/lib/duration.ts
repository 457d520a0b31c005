// Prometheus durations: `1h30m`, `15s`.

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 } as const;
type DurationUnit = keyof typeof UNITS;
const ORDER: readonly DurationUnit[] = ["y", "w", "d", "h", "m", "s", "ms"];
const PATTERN = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** Returns milliseconds, or `null` when `text` is not a Prometheus duration. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim();
  const match = trimmed === "" ? null : PATTERN.exec(trimmed);
  if (match === null) return null;
  let total = 0;
  ORDER.forEach((unit, index) => {
    total += Number(match[index + 1] ?? 0) * UNITS[unit];
  });
  return Number.isSafeInteger(total) ? total : null;
}

/** Returns the shortest spelling that parses back: 5400000 → `1h30m`. */
export function formatDuration(ms: number): string {
  if (ms <= 0) return "0s";
  let rest = Math.round(ms);
  let text = "";
  // Weeks and years only when exact: 90d reads better than 12w6d.
  for (const unit of ORDER) {
    const size = UNITS[unit];
    if ((unit === "y" || unit === "w") && rest % size !== 0) continue;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}
