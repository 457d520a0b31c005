// The PromQL editor. It lives in a shadow tree: there CodeMirror's styles are constructed style sheets, which the
// page's Content-Security-Policy allows, where <style> elements would need a nonce.
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, closeCompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from "@codemirror/commands";
import { bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap, linter, setDiagnostics } from "@codemirror/lint";
import { Annotation, Compartment, EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { newCompleteStrategy, PromQLExtension } from "@prometheus-io/codemirror-promql";
import { useEffect, useRef } from "preact/hooks";
import { baseUrl } from "../../api/client";
import { isDark } from "../../app/settings";
import { withHistory } from "./completion";
import { type Echo, newEcho } from "./echo";
import { editorTheme, highlightStyle } from "./editorTheme";
import { type Finding, queryApi } from "./queryApi";
import { indexOfByte, offsetOf, type QueryPosition } from "./queryError";

export interface EditorProps {
  readonly value: string;
  readonly label: string;
  readonly hint: string;
  /** Where the server found the mistake in `value`. */
  readonly mistake: QueryPosition | null;
  readonly onChange: (text: string) => void;
  readonly onRun: (text: string) => void;
  /** What the server finds suspicious about the text, while somebody types. */
  readonly onFindings: (findings: readonly Finding[]) => void;
}

function promql() {
  const server = newCompleteStrategy({ remote: { url: baseUrl.href.replace(/\/$/, ""), httpMethod: "GET", httpErrorHandler: () => undefined } });
  return new PromQLExtension().activateLinter(true).setComplete({ completeStrategy: withHistory(server) });
}

/** Underlines what the server finds suspicious. A server that cannot lint (the original) finds nothing. */
function serverLint(props: { readonly current: EditorProps }) {
  let last = new AbortController();
  const source = async (view: EditorView) => {
    last.abort();
    last = new AbortController();
    const text = view.state.doc.toString();
    const found = text.trim() === "" ? [] : await queryApi.lint(text, last.signal).then((reply) => reply.data.findings, () => []);
    props.current.onFindings(found);
    return found.map((one) => {
      const from = indexOfByte(text, one.start);
      return { from, to: Math.max(indexOfByte(text, one.end), from), severity: one.severity, message: [one.message, one.suggestion].filter((part) => part !== "").join(" — ") };
    });
  };
  return linter(source, { delay: LINT_AFTER_MS });
}

// Long enough that typing is not a request a key.
const LINT_AFTER_MS = 700;

/**
 * Replaces a selection in the editor's state instead of letting the browser do it: Chromium copies the look of the
 * replaced text into a style attribute, which the page's policy refuses (and reports).
 */
const replaceInState = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { data } = event;
    const { from, to, empty } = view.state.selection.main;
    if (empty || data === null || event.isComposing || event.inputType !== "insertText") return false;
    const insert = () => view.state.update(view.state.replaceSelection(data), { userEvent: "input.type", scrollIntoView: true });
    const handled = view.state.facet(EditorView.inputHandler).some((handler) => handler(view, from, to, data, insert));
    if (!handled) view.dispatch(insert());
    return true;
  },
});

/** Marks a text that the page put in: it knows. */
const fromPage = Annotation.define<boolean>();

function setup(props: { readonly current: EditorProps }, look: Compartment, echo: Echo) {
  const run = (view: EditorView): boolean => {
    // Also drops completions still on their way: they would open over the result.
    closeCompletion(view);
    props.current.onRun(view.state.doc.toString());
    return true;
  };
  return [
    history(),
    closeBrackets(),
    bracketMatching(),
    // The default icons are letters from rare fonts; the detail already says what each is.
    autocompletion({ icons: false }),
    EditorView.lineWrapping,
    syntaxHighlighting(highlightStyle),
    editorTheme,
    look.of(EditorView.theme({}, { dark: isDark() })),
    placeholder(props.current.hint),
    EditorView.contentAttributes.of({ "aria-label": props.current.label, spellcheck: "false", autocapitalize: "off" }),
    promql().asExtension(),
    serverLint(props),
    replaceInState,
    // Enter runs, as in a search box; Tab only takes a completion, so that the keyboard can leave.
    Prec.high(
      keymap.of([
        { key: "Tab", run: acceptCompletion },
        { key: "Shift-Enter", run: insertNewlineAndIndent },
        { key: "Mod-Enter", run },
      ]),
    ),
    keymap.of([...completionKeymap, { key: "Enter", run }, ...closeBracketsKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap]),
    EditorView.updateListener.of((update) => {
      if (!update.docChanged || update.transactions.some((one) => one.annotation(fromPage) === true)) return;
      const text = update.state.doc.toString();
      echo.tell(text);
      props.current.onChange(text);
    }),
  ];
}

export function PromqlEditor(props: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const look = useRef(new Compartment());
  const echo = useRef(newEcho());
  const dark = isDark();

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    const state = EditorState.create({ doc: latest.current.value, extensions: setup(latest, look.current, echo.current) });
    const built = new EditorView({ state, root, parent: root });
    view.current = built;
    return () => {
      built.destroy();
      view.current = null;
    };
  }, [props.label, props.hint]);

  useEffect(() => {
    view.current?.dispatch({ effects: look.current.reconfigure(EditorView.theme({}, { dark })) });
  }, [dark]);

  useEffect(() => {
    const current = view.current;
    if (current === null) return;
    if (current.state.doc.toString() === props.value) {
      echo.current.settle();
      return;
    }
    // On a busy machine keys come faster than the page draws: then its text is an older one of ours. Put in, it would
    // take back what was typed since, and tell so, and the two would chase each other for good.
    if (echo.current.isOwn(props.value)) return;
    current.dispatch({ changes: { from: 0, to: current.state.doc.length, insert: props.value }, annotations: fromPage.of(true) });
  }, [props.value]);

  useEffect(() => {
    const current = view.current;
    if (current === null || props.mistake === null) return;
    const text = current.state.doc.toString();
    const from = Math.min(offsetOf(text, props.mistake), Math.max(0, text.length - 1));
    const to = Math.min(from + 1, text.length);
    current.dispatch(setDiagnostics(current.state, [{ from, to, severity: "error", message: props.mistake.message }]));
  }, [props.mistake]);

  return <div class="editor-host" ref={host} />;
}
