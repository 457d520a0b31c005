// Which series of a legend are hidden.

/** Returns the next set of hidden series: a plain click isolates or shows all, a modified one toggles. */
export function nextHidden(hidden: ReadonlySet<string>, all: readonly string[], clicked: string, toggle: boolean): ReadonlySet<string> {
  if (toggle) {
    const next = new Set(hidden);
    if (!next.delete(clicked)) next.add(clicked);
    return next.size === all.length ? new Set() : next;
  }
  const isolated = !hidden.has(clicked) && hidden.size === all.length - 1;
  return isolated ? new Set() : new Set(all.filter((id) => id !== clicked));
}
