// A bar of matchers: chips that go with a click, and a field that takes more.
import { useState } from "preact/hooks";
import { Icon } from "../../components/Icon";
import { t } from "../../i18n";
import { type Matcher, matcherText, parseMatchers } from "./matchers";

interface Props {
  readonly matchers: readonly Matcher[];
  readonly onChange: (matchers: readonly Matcher[]) => void;
}

export function MatcherFilter({ matchers, onChange }: Props) {
  const [text, setText] = useState("");
  const parsed = parseMatchers(text);
  const add = (): void => {
    if (parsed === null || parsed.length === 0) return;
    const fresh = parsed.filter((one) => !matchers.some((known) => matcherText(known) === matcherText(one)));
    onChange([...matchers, ...fresh]);
    setText("");
  };
  return (
    <form
      class="matcher-filter"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        add();
      }}
    >
      <div class="search-box">
        <Icon name="search" />
        <input
          class="input mono"
          aria-label={t("am.filter")}
          aria-invalid={parsed === null}
          placeholder={'severity="page", job=~"db.*"'}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </div>
      <button type="submit" class="button" disabled={parsed === null || parsed.length === 0}>
        <Icon name="plus" />
        {t("am.filter.add")}
      </button>
      {matchers.map((matcher) => (
        <button key={matcherText(matcher)} type="button" class="chip mono" aria-label={t("am.filter.remove", { matcher: matcherText(matcher) })} onClick={() => onChange(matchers.filter((one) => one !== matcher))}>
          {matcherText(matcher)} <span aria-hidden="true">×</span>
        </button>
      ))}
    </form>
  );
}
