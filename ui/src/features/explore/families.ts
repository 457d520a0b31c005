// Metrics as people look for them: one entry a family, found by words and by labels.

export interface Metadata {
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}

export interface Family {
  /** The name that queries use; of a classic histogram, the part before `_bucket`. */
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly unit: string;
  /** Series of the family, as far as known. */
  readonly series: number;
  /** Whether the samples are native histograms: no `_bucket` series. */
  readonly native: boolean;
}

const PARTS = /_(bucket|sum|count)$/;

/** Returns the type that a name promises when nobody declares one. */
export function guessType(name: string): string {
  if (/_total$/.test(name)) return "counter";
  if (/_info$/.test(name)) return "info";
  return "unknown";
}

/** Gathers names into families, sorted by name. */
export function buildFamilies(names: readonly string[], metadata: Readonly<Record<string, readonly Metadata[]>>, counts: ReadonlyMap<string, number>): Family[] {
  const families = new Map<string, Family>();
  for (const name of names) {
    const base = name.replace(PARTS, "");
    const isPart = base !== name && ["histogram", "summary"].includes(metadata[base]?.[0]?.type ?? "");
    const family = isPart ? base : name;
    // OpenMetrics declares a counter without its suffix.
    const declared = (metadata[family] ?? metadata[family.replace(/_total$/, "")])?.[0];
    const known = families.get(family);
    const type = declared === undefined || declared.type === "unknown" ? guessType(family) : declared.type;
    families.set(family, {
      name: family,
      type,
      help: declared?.help ?? "",
      unit: declared?.unit ?? "",
      series: (known?.series ?? 0) + (counts.get(name) ?? 0),
      native: (known?.native ?? type === "histogram") && !name.endsWith("_bucket"),
    });
  }
  return [...families.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export interface Search {
  /** Lower case; each must occur in the name or the help text. */
  readonly words: readonly string[];
  /** PromQL matchers: `job="node"`. */
  readonly matchers: readonly string[];
}

/** Takes `cpu job=node mode=~"user|system"` apart into words and matchers. */
export function readSearch(text: string): Search {
  const words: string[] = [];
  const matchers: string[] = [];
  for (const [token] of text.matchAll(/[^\s"]+(?:"[^"]*"?)?/g)) {
    const match = /^([a-zA-Z_][a-zA-Z0-9_]*)(=~|!~|!=|=)"?([^"]*)"?$/.exec(token);
    if (match === null) words.push(token.toLowerCase());
    else if (match[3] !== "") matchers.push(`${match[1]}${match[2]}"${(match[3] ?? "").replace(/\\/g, "\\\\")}"`);
  }
  return { words, matchers };
}

/** Returns the families that have all words; those with a word in their name come first. */
export function findFamilies(families: readonly Family[], words: readonly string[]): Family[] {
  if (words.length === 0) return [...families];
  const scored: { family: Family; score: number }[] = [];
  for (const family of families) {
    const name = family.name.toLowerCase();
    const help = family.help.toLowerCase();
    if (!words.every((word) => name.includes(word) || help.includes(word))) continue;
    const score = words.reduce((sum, word) => sum + (name.startsWith(word) ? 3 : name.includes(word) ? 2 : 0), 0);
    scored.push({ family, score });
  }
  return scored.sort((a, b) => b.score - a.score).map((one) => one.family);
}
