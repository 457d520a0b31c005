// How often the page asks again, and a button for now.
import { locale } from "../app/settings";
import { t } from "../i18n";
import { formatDuration, parseDuration } from "../lib/duration";
import { formatSpan } from "../lib/format";
import { Icon } from "./Icon";
import { Select } from "./Select";

const CHOICES_MS = [0, 5_000, 10_000, 30_000, 60_000, 300_000] as const;
export const DEFAULT_REFRESH_MS = 5_000;

/** Reads `refresh=10s`; `0s` is off, anything unreadable `fallback`, the page's default. */
export function readRefresh(params: URLSearchParams, fallback = DEFAULT_REFRESH_MS): number {
  const text = params.get("refresh");
  const ms = text === null ? null : parseDuration(text);
  return ms === null || (ms !== 0 && ms < 1_000) ? fallback : ms;
}

/** Writes what {@link readRefresh} reads; the default leaves no trace. */
export function writeRefresh(params: URLSearchParams, ms: number, fallback = DEFAULT_REFRESH_MS): void {
  if (ms === fallback) params.delete("refresh");
  else params.set("refresh", formatDuration(ms));
}

interface Props {
  readonly everyMs: number;
  readonly onChange: (ms: number) => void;
  readonly onNow: () => void;
}

export function RefreshControl({ everyMs, onChange, onNow }: Props) {
  const all = CHOICES_MS.some((ms) => ms === everyMs) ? CHOICES_MS : [...CHOICES_MS, everyMs];
  const options = all.map((ms) => ({ value: String(ms), label: ms === 0 ? t("refresh.off") : t("refresh.every", { span: formatSpan(ms / 1000, locale.value) }) }));
  return (
    <div class="button-group">
      <button type="button" class="button button-icon" onClick={onNow} aria-label={t("refresh.now")} title={t("refresh.now")}>
        <Icon name="refresh" />
      </button>
      <Select label={t("refresh.label")} options={options} value={String(everyMs)} onChange={(value) => onChange(Number(value))} />
    </div>
  );
}
