// Links in notifications made for the original Alertmanager: its pages lie behind a hash.
import { component } from "./component";
import { href, navigate } from "./router";

/** Returns our address of `#/silences/…`, or `null` when the hash is none of the original's. */
export function fromHash(hash: string): string | null {
  const match = /^#\/?([^?]*)(?:\?(.*))?$/.exec(hash);
  if (match === null || hash === "" || hash === "#") return null;
  const params = new URLSearchParams(match[2] ?? "");
  const [page, id, action] = (match[1] ?? "").split("/").map((part) => decodeURIComponent(part));
  switch (page) {
    case "":
    case "alerts":
      return href("notices", params);
    case "silences":
      if (id === undefined || id === "") return href("silences", params);
      if (id === "new") return href("silenceForm", params);
      params.set("id", id);
      return href(action === "edit" ? "silenceForm" : "silence", params);
    case "status":
    case "settings":
      return href("cluster");
    default:
      return null;
  }
}

/** Opens what the hash names, now and whenever it changes. */
export function followHashLinks(): void {
  if (component !== "alertmanager") return;
  const follow = (): void => {
    const address = fromHash(window.location.hash);
    if (address !== null) navigate(address, "replace");
  };
  window.addEventListener("hashchange", follow);
  follow();
}
