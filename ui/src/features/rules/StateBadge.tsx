// The state of an alert and the health of a rule, as a word with a colour.
import { t } from "../../i18n";
import type { AlertState, RuleHealth } from "./rulesApi";

const LOOKS = { firing: "bad", pending: "warn", inactive: "ok", unknown: "none" } as const;

export function StateBadge({ state }: { readonly state: AlertState }) {
  return (
    <span class={`badge is-${LOOKS[state]}`} data-state={state}>
      <span class="dot" aria-hidden="true" />
      {t(`alert.state.${state}`)}
    </span>
  );
}

export function RuleHealthBadge({ health }: { readonly health: RuleHealth }) {
  return (
    <span class={`badge is-${{ ok: "ok", err: "bad", unknown: "none" }[health]}`} data-health={health}>
      <span class="dot" aria-hidden="true" />
      {t(`rule.health.${health}`)}
    </span>
  );
}
