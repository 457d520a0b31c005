// Labels as chips; with `onPick` each leads somewhere.
import type { Labels } from "../api/types";

interface Props {
  readonly labels: Labels;
  readonly skip?: readonly string[];
  readonly onPick?: (name: string, value: string) => void;
  /** What picking does, for those who cannot guess. */
  readonly pickTitle?: string;
}

export function LabelChips({ labels, skip, onPick, pickTitle }: Props) {
  const shown = Object.entries(labels)
    .filter(([name]) => skip?.includes(name) !== true)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    <ul class="label-chips">
      {shown.map(([name, value]) => (
        <li key={name} class="mono">
          {onPick === undefined ? (
            <>
              <i>{name}</i>="{value}"
            </>
          ) : (
            <button type="button" class="label-pick" title={pickTitle} onClick={() => onPick(name, value)}>
              <i>{name}</i>="{value}"
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
