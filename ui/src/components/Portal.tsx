// Draws its children at the end of the page, where no card clips them. (@zag-js/preact 1.44's own Portal needs React.)
import type { ComponentChildren } from "preact";
import { createPortal } from "preact/compat";

export function Portal({ children }: { readonly children: ComponentChildren }) {
  return createPortal(<>{children}</>, document.body);
}
