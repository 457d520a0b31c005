// One tile: a number, its recent shape, and whether it deserves a look.
import { useMemo } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import { fetchFrames } from "../../components/chart/panel";
import { Sparkline } from "../../components/chart/Sparkline";
import { t } from "../../i18n";
import { formatNumber, formatParts, formatUnit } from "../../lib/format";
import { type Column, type Frame, gridTimes, lastOf, toColumn } from "../../lib/frames";
import type { Grid } from "../../lib/timeRange";
import type { HostScope } from "./scope";
import { type HostFacts, type NoteText, statusOf, type TileSpec } from "./tiles";

interface Props {
  readonly spec: TileSpec;
  readonly scope: HostScope;
  readonly facts: HostFacts;
  readonly subject: string;
  readonly tick: number;
}

function noteText(note: NoteText): string {
  const language = locale.value;
  switch (note.key) {
    case "tile.memory.note":
      return t(note.key, { used: formatUnit(note.used, "bytes", language), total: formatUnit(note.total, "bytes", language) });
    case "tile.space.note":
      return t(note.key, { mount: note.mount });
    case "tile.io.note":
      return t(note.key, { device: note.device });
    case "tile.load.note":
      return t(note.key, { load: formatNumber(note.load, language, 2) });
    default:
      return t(note.key);
  }
}

/** Joins the series that `topk` leaves over time into one line, and names the one that is newest. */
export function mergeFrames(frames: readonly Frame[], grid: Grid): { column: Column; labels: Frame["labels"] } {
  const length = gridTimes(grid).length;
  const column: Column = new Array<number | null>(length).fill(null);
  let newest = -1;
  let labels: Frame["labels"] = {};
  for (const frame of frames) {
    const values = toColumn(frame, grid, length);
    const last = lastOf(values);
    if (last !== null && last.index > newest) {
      newest = last.index;
      labels = frame.labels;
    }
    values.forEach((value, index) => {
      if (value !== null) column[index] = Math.max(value, column[index] ?? -Infinity);
    });
  }
  return { column, labels };
}

export function HostTile({ spec, scope, facts, subject, tick }: Props) {
  const { state } = useLoad(`${spec.id} ${subject}`, tick, async (stop) => {
    const [frames] = await fetchFrames([spec.expr(scope)], scope.grid, stop);
    return mergeFrames(frames ?? [], scope.grid);
  });
  const loaded = lastGood(state);
  const last = useMemo(() => (loaded === undefined ? null : lastOf(loaded.column)), [loaded]);
  const value = last?.value ?? null;
  const status = statusOf(value, spec.limits);
  const parts = formatParts(value, spec.unit, locale.value);
  const noisy = status === "warn" || status === "bad";
  const stale = state.kind === "failed" && loaded !== undefined;
  return (
    <article class={`tile tile-${spec.group} is-${status}${stale ? " is-stale" : ""}`} data-tile={spec.id} data-value={value ?? ""} aria-busy={state.kind === "loading"}>
      <h3>{t(spec.title)}</h3>
      <div class="tile-value">
        {state.kind === "loading" ? <span class="skeleton skeleton-text" /> : parts.text}
        {parts.unit !== "" && <span class="tile-unit">{parts.unit}</span>}
      </div>
      <p class="tile-note">
        {stale && <strong>{t("common.stale")} · </strong>}
        {noisy && <strong>{t(`status.${status}`)} · </strong>}
        {state.kind === "loading" ? "\u00a0" : value === null ? t("status.none") : noteText(spec.note(loaded?.labels ?? {}, facts))}
      </p>
      {loaded !== undefined && value !== null && <Sparkline values={loaded.column} floor={spec.floor} />}
    </article>
  );
}
