// The query page's state in the URL, in the spelling that links made for Prometheus use (`g0.expr`, `g0.tab`…).
import { formatDuration, parseDuration } from "../../lib/duration";

export const TABS = ["table", "graph", "explain"] as const;
export type Tab = (typeof TABS)[number];
export const DISPLAY_MODES = ["lines", "stacked", "heatmap"] as const;
export type DisplayMode = (typeof DISPLAY_MODES)[number];
/** How many points an automatic step aims at. */
export const DENSITIES = ["low", "medium", "high"] as const;
export type Density = (typeof DENSITIES)[number];

export interface PanelState {
  /** What was run last; what is being typed is not state of the page yet. */
  readonly expr: string;
  readonly tab: Tab;
  readonly rangeMs: number;
  /** The instant evaluated, or the graph's right edge; `null` is now. */
  readonly endMs: number | null;
  /** Resolution in seconds; `null` follows from the range and the density. */
  readonly stepS: number | null;
  readonly density: Density;
  readonly display: DisplayMode;
  readonly fromZero: boolean;
  readonly exemplars: boolean;
}

export const NEW_PANEL: PanelState = { expr: "", tab: "table", rangeMs: 3_600_000, endMs: null, stepS: null, density: "medium", display: "lines", fromZero: false, exemplars: false };

// A link with more would be a mistake or an attack on the browser.
const MAX_PANELS = 32;

function readTab(text: string | null, tree: string | null): Tab {
  // The original's tree view is part of our explanation.
  if (text === "explain" || tree === "1") return "explain";
  // Before version 3, links said 0 for graph and 1 for table.
  return text === "graph" || text === "0" ? "graph" : "table";
}

/** Reads `2026-11-21 09:30:00`, always UTC in links. */
function readInstant(text: string | null): number | null {
  if (text === null || text === "") return null;
  const ms = Date.parse(`${text.trim().replace(" ", "T")}Z`);
  return Number.isNaN(ms) ? null : ms;
}

function writeInstant(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

function readStep(get: (name: string) => string | null): number | null {
  if (get("res_type") === "auto") return null;
  const text = get("res_step") ?? get("step_input");
  if (text === null) return null;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : (parseDuration(text) ?? 0) / 1000;
  return seconds >= 1 ? seconds : null;
}

function readPanel(get: (name: string) => string | null): PanelState {
  const rangeMs = parseDuration(get("range_input") ?? "");
  return {
    expr: get("expr") ?? "",
    tab: readTab(get("tab"), get("show_tree")),
    rangeMs: rangeMs !== null && rangeMs >= 1_000 ? rangeMs : NEW_PANEL.rangeMs,
    endMs: readInstant(get("end_input") ?? get("moment_input")),
    stepS: readStep(get),
    density: DENSITIES.find((known) => known === get("res_density")) ?? NEW_PANEL.density,
    display: get("stacked") === "1" ? "stacked" : (DISPLAY_MODES.find((known) => known === get("display_mode")) ?? NEW_PANEL.display),
    fromZero: get("y_axis_min") === "zero",
    exemplars: get("show_exemplars") === "1",
  };
}

/** Reads all panels of a link; always at least one. */
export function readPanels(params: URLSearchParams): PanelState[] {
  const panels: PanelState[] = [];
  for (let index = 0; index < MAX_PANELS && params.has(`g${index}.expr`); index += 1) {
    panels.push(readPanel((name) => params.get(`g${index}.${name}`)));
  }
  return panels.length === 0 ? [NEW_PANEL] : panels;
}

/** Writes what {@link readPanels} reads; defaults leave no trace but expression and tab. */
export function writePanels(panels: readonly PanelState[]): URLSearchParams {
  const params = new URLSearchParams();
  panels.forEach((panel, index) => {
    const set = (name: string, value: string): void => params.set(`g${index}.${name}`, value);
    set("expr", panel.expr);
    set("tab", panel.tab);
    if (panel.rangeMs !== NEW_PANEL.rangeMs) set("range_input", formatDuration(panel.rangeMs));
    if (panel.endMs !== null) set("end_input", writeInstant(panel.endMs));
    if (panel.stepS !== null) {
      set("res_type", "fixed");
      set("res_step", String(panel.stepS));
    } else if (panel.density !== NEW_PANEL.density) {
      set("res_type", "auto");
      set("res_density", panel.density);
    }
    if (panel.display !== "lines") set("display_mode", panel.display);
    if (panel.fromZero) set("y_axis_min", "zero");
    if (panel.exemplars) set("show_exemplars", "1");
  });
  return params;
}
