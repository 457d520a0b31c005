// The bar above a list: words to look for, one of a few kinds with how many there are of each, and what else a page has.
import type { ComponentChildren } from "preact";
import { locale } from "../app/settings";
import { formatNumber } from "../lib/format";
import { SearchBox } from "./SearchBox";

export interface Kind<T extends string> {
  /** `null` is all of them. */
  readonly value: T | null;
  readonly label: string;
  readonly count: number;
}

interface Props<T extends string> {
  readonly label: string;
  readonly text: string;
  readonly onText: (text: string) => void;
  readonly kindLabel: string;
  readonly kinds: readonly Kind<T>[];
  readonly kind: T | null;
  readonly onKind: (kind: T | null) => void;
  readonly children?: ComponentChildren;
}

export function FilterBar<T extends string>({ label, text, onText, kindLabel, kinds, kind, onKind, children }: Props<T>) {
  return (
    <div class="filters" role="search">
      <SearchBox label={label} value={text} onInput={onText} />
      <div class="segmented" role="group" aria-label={kindLabel}>
        {kinds.map((one) => (
          <button key={one.value} type="button" aria-pressed={kind === one.value} onClick={() => onKind(one.value)}>
            {one.label} <span class="num muted">{formatNumber(one.count, locale.value, 0)}</span>
          </button>
        ))}
      </div>
      {children}
    </div>
  );
}
