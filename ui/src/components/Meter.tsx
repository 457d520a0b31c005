// How full something is: a bar that warns.

export type MeterStatus = "ok" | "warn" | "bad" | "none";

interface Props {
  /** 0–1; more is drawn full. */
  readonly ratio: number;
  readonly status: MeterStatus;
  readonly label: string;
  /** What stands beside the bar. */
  readonly text: string;
}

export function Meter({ ratio, status, label, text }: Props) {
  return (
    <span class="meter">
      <span class={`meter-track is-${status}`} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.min(100, Math.round(ratio * 100))} aria-valuetext={text}>
        <span class="meter-fill" style={{ width: `${Math.min(100, ratio * 100)}%` }} />
      </span>
      <span class="num">{text}</span>
    </span>
  );
}
