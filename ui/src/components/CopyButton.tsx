// Copies a text, and says that it did.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { copyText } from "../lib/download";
import { Icon } from "./Icon";

const SHOWN_MS = 2_000;

export function CopyButton({ text }: { readonly text: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = window.setTimeout(() => setCopied(false), SHOWN_MS);
    return () => window.clearTimeout(timer);
  }, [copied]);
  return (
    <button type="button" class="button" onClick={() => void copyText(text).then(setCopied)}>
      <Icon name={copied ? "check" : "copy"} />
      <span aria-live="polite">{t(copied ? "query.share.done" : "common.copy")}</span>
    </button>
  );
}
