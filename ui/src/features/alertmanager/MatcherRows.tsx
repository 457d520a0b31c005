// The matchers of a silence, a row each.
import { Icon } from "../../components/Icon";
import { t } from "../../i18n";
import { type Matcher, OPS } from "./matchers";

interface Props {
  readonly matchers: readonly Matcher[];
  readonly onChange: (matchers: readonly Matcher[]) => void;
}

export function MatcherRows({ matchers, onChange }: Props) {
  const set = (at: number, change: Partial<Matcher>): void => onChange(matchers.map((one, index) => (index === at ? { ...one, ...change } : one)));
  return (
    <div class="matcher-rows">
      {matchers.map((matcher, at) => (
        <div key={at} class="matcher-row" role="group" aria-label={t("silence.matcher", { number: at + 1 })}>
          <input class="input mono" aria-label={t("silence.matcher.label")} placeholder={t("silence.matcher.label")} value={matcher.name} onInput={(event) => set(at, { name: event.currentTarget.value })} />
          <select class="input mono" aria-label={t("silence.matcher.op")} value={matcher.op} onChange={(event) => set(at, { op: OPS.find((op) => op === event.currentTarget.value) ?? "=" })}>
            {OPS.map((op) => (
              <option key={op} value={op}>
                {op}
              </option>
            ))}
          </select>
          <input class="input mono" aria-label={t("silence.matcher.value")} placeholder={t("silence.matcher.value")} value={matcher.value} onInput={(event) => set(at, { value: event.currentTarget.value })} />
          <button type="button" class="button button-icon" aria-label={t("silence.matcher.remove")} title={t("silence.matcher.remove")} disabled={matchers.length === 1} onClick={() => onChange(matchers.filter((_, index) => index !== at))}>
            <Icon name="close" />
          </button>
        </div>
      ))}
      <button type="button" class="button" onClick={() => onChange([...matchers, { name: "", op: "=", value: "" }])}>
        <Icon name="plus" />
        {t("silence.matcher.add")}
      </button>
    </div>
  );
}
