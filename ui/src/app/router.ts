// The URL is the home of what a page shows: every view is a link.
import { computed, signal } from "@preact/signals";
import { baseUrl } from "../api/client";
import { type Component, component } from "./component";

// The first path of a page is the one that links use; the others are where links made for the originals point.
const SERVER_PAGES = {
  host: ["", "index.html"],
  containers: ["containers"],
  query: ["query", "graph"],
  explore: ["explore"],
  alerts: ["alerts"],
  rules: ["rules"],
  targets: ["targets"],
  discovery: ["service-discovery"],
  storage: ["tsdb-status"],
  status: ["status", "alertmanager-discovery"],
  flags: ["flags"],
  config: ["config"],
} as const;
const ALERTMANAGER_PAGES = {
  notices: ["", "index.html", "alerts"],
  why: ["why"],
  silences: ["silences"],
  silence: ["silence"],
  silenceForm: ["silence-form"],
  receivers: ["receivers"],
  cluster: ["status"],
} as const;

type RealPage = keyof typeof SERVER_PAGES | keyof typeof ALERTMANAGER_PAGES;
export type PageName = RealPage | "missing";

const PATHS: Readonly<Record<RealPage, readonly string[]>> = { ...SERVER_PAGES, ...ALERTMANAGER_PAGES };

const location = signal(typeof window === "undefined" ? new URL("http://localhost/") : new URL(window.location.href));

if (typeof window !== "undefined") {
  window.addEventListener("popstate", () => {
    location.value = new URL(window.location.href);
  });
}

/** Returns the page that a path below the base means. */
export function pageOf(path: string, of: Component = component): PageName {
  const bare = path.replace(/\/+$/, "");
  const pages = Object.keys(of === "server" ? SERVER_PAGES : ALERTMANAGER_PAGES) as RealPage[];
  return pages.find((name) => PATHS[name].includes(bare)) ?? "missing";
}

export const page = computed<PageName>(() => pageOf(decodeURI(location.value.pathname.slice(baseUrl.pathname.length))));
export const search = computed(() => location.value.search);

/** Returns the address of a page, with its state. */
export function href(name: RealPage, params?: URLSearchParams): string {
  const query = params?.toString() ?? "";
  return baseUrl.pathname + (PATHS[name][0] ?? "") + (query === "" ? "" : `?${query}`);
}

/** Moves within the app: `push` for a step the back button should undo, `replace` for the rest. */
export function navigate(address: string, how: "push" | "replace" = "push"): void {
  if (address === window.location.pathname + window.location.search) return;
  if (how === "push") window.history.pushState(null, "", address);
  else window.history.replaceState(null, "", address);
  location.value = new URL(window.location.href);
}

/** Changes the state of the page shown. */
export function updateParams(change: (params: URLSearchParams) => void, how: "push" | "replace" = "push"): void {
  const params = new URLSearchParams(location.value.search);
  change(params);
  const query = params.toString();
  navigate(location.value.pathname + (query === "" ? "" : `?${query}`), how);
}

/** Lets plain links navigate within the app; modified clicks and other origins stay the browser's. */
export function onLinkClick(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (link === null || link.target !== "" || link.origin !== window.location.origin) return;
  if (!link.pathname.startsWith(baseUrl.pathname) || link.hash !== "") return;
  if (pageOf(link.pathname.slice(baseUrl.pathname.length)) === "missing") return;
  event.preventDefault();
  navigate(link.pathname + link.search);
}
