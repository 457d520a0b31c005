// What to do about series that are too many.

/** Returns the part that `value` is of `total`, at most 1: lists and totals are read one after the other. */
export function shareOf(value: number, total: number): number {
  return total > 0 ? Math.min(1, value / total) : 0;
}

/** Returns the relabeling that drops some metrics at the scrape. Names are data: they are escaped for RE2 and YAML. */
export function dropRule(names: readonly string[]): string {
  const regex = names.map((name) => name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|");
  return `metric_relabel_configs:\n  - source_labels: [__name__]\n    regex: ${JSON.stringify(regex)}\n    action: drop\n`;
}
