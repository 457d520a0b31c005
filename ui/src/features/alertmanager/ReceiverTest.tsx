// Does this receiver work? Sends a test notification and says how each integration took it.
import { useState } from "preact/hooks";
import { locale } from "../../app/settings";
import { Icon } from "../../components/Icon";
import { t } from "../../i18n";
import { formatUnit } from "../../lib/format";
import { type Trial, tryReceiver } from "./whyApi";

type Test = { readonly kind: "idle" } | { readonly kind: "armed" } | { readonly kind: "sending" } | { readonly kind: "done"; readonly results: readonly Trial[] } | { readonly kind: "failed"; readonly message: string };

export function ReceiverTest({ name }: { readonly name: string }) {
  const [test, setTest] = useState<Test>({ kind: "idle" });
  const click = (): void => {
    // Somebody's telephone may ring.
    if (test.kind !== "armed") {
      setTest({ kind: "armed" });
      return;
    }
    setTest({ kind: "sending" });
    tryReceiver(name, new AbortController().signal).then(
      (results) => setTest({ kind: "done", results }),
      (error: unknown) => setTest({ kind: "failed", message: error instanceof Error ? error.message : String(error) }),
    );
  };
  return (
    <>
      <button type="button" class={test.kind === "armed" ? "button button-small button-danger" : "button button-small"} disabled={test.kind === "sending"} onClick={click} onBlur={() => test.kind === "armed" && setTest({ kind: "idle" })}>
        <Icon name="play" />
        {t(test.kind === "armed" ? "receiver.test.confirm" : test.kind === "sending" ? "receiver.test.sending" : "receiver.test")}
      </button>
      <div class="trials" role="status">
        {test.kind === "failed" && <p class="form-error">{test.message}</p>}
        {test.kind === "done" && test.results.length === 0 && <p class="muted">{t("receiver.test.nobody")}</p>}
        {test.kind === "done" && (
          <ul class="plain-list">
            {test.results.map((one) => (
              <li key={one.integration} data-trial={one.ok ? "ok" : "failed"}>
                <span class={`badge is-${one.ok ? "ok" : "bad"}`}>{t(one.ok ? "receiver.test.ok" : "receiver.test.failed")}</span> <code>{one.integration}</code> <span class="num muted">{formatUnit(one.seconds, "seconds", locale.value)}</span>
                {one.error !== "" && <p class="mono trial-error">{one.error}</p>}
              </li>
            ))}
          </ul>
        )}
      </div>
    </>
  );
}
