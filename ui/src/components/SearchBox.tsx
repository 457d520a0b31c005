// A field that filters what the page shows.
import { Icon } from "./Icon";

export function SearchBox({ label, value, onInput }: { readonly label: string; readonly value: string; readonly onInput: (text: string) => void }) {
  return (
    <div class="search-box">
      <Icon name="search" />
      <input class="input" type="search" aria-label={label} placeholder={label} value={value} onInput={(event) => onInput(event.currentTarget.value)} />
    </div>
  );
}
