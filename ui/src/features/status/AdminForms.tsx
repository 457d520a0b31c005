// What changes stored data, where the server allows it. Each asks twice.
import { useState } from "preact/hooks";
import { t } from "../../i18n";
import { administer } from "./statusApi";

type Outcome = { readonly kind: "none" } | { readonly kind: "done" } | { readonly kind: "failed"; readonly text: string };

function Note({ outcome }: { readonly outcome: Outcome }) {
  if (outcome.kind === "none") return null;
  return (
    <p role="status" class={outcome.kind === "failed" ? "form-error" : "form-done"}>
      {outcome.kind === "failed" ? outcome.text : t("storage.admin.done")}
    </p>
  );
}

export function AdminForms() {
  const [selector, setSelector] = useState("");
  const [armed, setArmed] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>({ kind: "none" });
  const act = (action: "delete_series" | "clean_tombstones" | "snapshot", params: readonly (readonly [string, string])[]): void => {
    setArmed(false);
    administer(action, params).then(
      () => setOutcome({ kind: "done" }),
      (error: unknown) => setOutcome({ kind: "failed", text: error instanceof Error ? error.message : String(error) }),
    );
  };
  return (
    <section class="card admin">
      <h2>{t("storage.admin")}</h2>
      <form
        class="admin-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (armed) act("delete_series", [["match[]", selector]]);
          else setArmed(true);
        }}
      >
        <input class="input mono" aria-label={t("storage.admin.selector")} placeholder={'{job="old"}'} value={selector} onInput={(event) => (setSelector(event.currentTarget.value), setArmed(false))} />
        <button type="submit" class={armed ? "button button-danger" : "button"} disabled={selector.trim() === ""}>
          {t(armed ? "storage.admin.confirm" : "storage.admin.delete")}
        </button>
        <button type="button" class="button" onClick={() => act("clean_tombstones", [])}>
          {t("storage.admin.clean")}
        </button>
        <button type="button" class="button" onClick={() => act("snapshot", [])}>
          {t("storage.admin.snapshot")}
        </button>
      </form>
      <Note outcome={outcome} />
    </section>
  );
}
