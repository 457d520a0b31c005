// What the editor offers: the server's names and the language's words, and what was run before.
import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import type { CompleteStrategy } from "@prometheus-io/codemirror-promql/dist/esm/complete";
import { readHistory } from "./history";

const HISTORY_SHOWN = 20;

/** Returns the earlier expressions that go on where `text` ends; all of them replace the whole text. */
export function historyOptions(history: readonly string[], text: string): Completion[] {
  const typed = text.trim().toLowerCase();
  const fitting = history.filter((expr) => expr.toLowerCase().includes(typed) && expr !== text.trim());
  return fitting.slice(0, HISTORY_SHOWN).map((expr) => ({
    label: expr.length > 80 ? `${expr.slice(0, 79)}…` : expr,
    apply: expr,
    detail: "↺",
    ...(expr.length > 80 ? { info: expr } : {}),
    // A word begun means a name more often than a whole query; nothing begun, the opposite.
    boost: typed === "" ? 99 : -99,
  }));
}

/** Adds the history to a strategy, wherever the cursor stands at the end of the text. */
export function withHistory(inner: CompleteStrategy): CompleteStrategy {
  return {
    ...(inner.destroy === undefined ? {} : { destroy: () => inner.destroy?.() }),
    async promQL(context: CompletionContext): Promise<CompletionResult | null> {
      const text = context.state.doc.toString();
      const known = await inner.promQL(context);
      if (context.pos !== text.length || text.includes("\n")) return known;
      if (text.trim() === "" && !context.explicit) return known;
      const options = historyOptions(readHistory(), text);
      if (options.length === 0) return known;
      // Only a list that starts where the text starts can replace all of it.
      if (known === null) return { from: 0, options, filter: false };
      return known.from === 0 ? { ...known, options: [...known.options, ...options] } : known;
    },
  };
}
