// The head of a page: its name, a few facts, its controls; the browser's title follows.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

export function PageHead({ title, facts, children }: { readonly title: string; readonly facts?: ComponentChildren; readonly children?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Watchfire`;
  }, [title]);
  return (
    <header class="page-head">
      <div class="page-title">
        <h1>{title}</h1>
        {facts !== undefined && <p class="facts">{facts}</p>}
      </div>
      {children !== undefined && <div class="controls">{children}</div>}
    </header>
  );
}
