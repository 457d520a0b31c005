// The state of the containers page in the URL.
import { type Grouping, GROUPINGS, type Sort, SORTS } from "./containers";

export interface ContainersState {
  readonly text: string;
  readonly by: Grouping;
  readonly sort: Sort;
  readonly reversed: boolean;
  /** One machine, or all. */
  readonly instance: string | null;
  /** Key of the container shown alone. */
  readonly chosen: string | null;
}

const DEFAULT_SORT: Sort = "cpu";

export function readContainersState(params: URLSearchParams): ContainersState {
  const sort = params.get("sort") ?? DEFAULT_SORT;
  return {
    text: params.get("q") ?? "",
    by: GROUPINGS.find((known) => known === params.get("by")) ?? "none",
    sort: SORTS.find((known) => known === sort.replace(/^-/, "")) ?? DEFAULT_SORT,
    reversed: sort.startsWith("-"),
    instance: params.get("instance"),
    chosen: params.get("container"),
  };
}

/** Writes what {@link readContainersState} reads; defaults leave no trace. */
export function writeContainersState(params: URLSearchParams, state: ContainersState): void {
  const sort = `${state.reversed ? "-" : ""}${state.sort}`;
  const all = { q: state.text, by: state.by === "none" ? "" : state.by, sort: sort === DEFAULT_SORT ? "" : sort, instance: state.instance ?? "", container: state.chosen ?? "" };
  for (const [name, value] of Object.entries(all)) {
    if (value === "") params.delete(name);
    else params.set(name, value);
  }
}
