// Which program serves this page; it says so on the page itself.

export type Component = "server" | "alertmanager";

export const component: Component = typeof document !== "undefined" && document.documentElement.dataset["component"] === "alertmanager" ? "alertmanager" : "server";
