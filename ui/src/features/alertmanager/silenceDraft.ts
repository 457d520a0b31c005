// What a silence form holds, and whether it can be sent.
import { parseDuration } from "../../lib/duration";
import type { Silence, SilenceDraft } from "./amApi";
import { fromWire, type Matcher } from "./matchers";

export interface Draft {
  /** The silence to change; `null` makes a new one. */
  readonly id: string | null;
  readonly matchers: readonly Matcher[];
  readonly startMs: number;
  readonly endMs: number;
  readonly createdBy: string;
  readonly comment: string;
}

const DEFAULT_LENGTH_MS = 2 * 3_600_000;
const EMPTY: Matcher = { name: "", op: "=", value: "" };

export function newDraft(matchers: readonly Matcher[], comment: string, createdBy: string, nowMs: number): Draft {
  return { id: null, matchers: matchers.length === 0 ? [EMPTY] : matchers, startMs: nowMs, endMs: nowMs + DEFAULT_LENGTH_MS, createdBy, comment };
}

/** Returns the draft that changes a silence; one that has expired is made again, as long as before, from now. */
export function draftOf(silence: Silence, nowMs: number): Draft {
  const [startMs, endMs] = [Date.parse(silence.startsAt), Date.parse(silence.endsAt)];
  const rest = { matchers: silence.matchers.map(fromWire), createdBy: silence.createdBy, comment: silence.comment };
  return silence.state === "expired" ? { ...rest, id: null, startMs: nowMs, endMs: nowMs + (endMs - startMs) } : { ...rest, id: silence.id, startMs, endMs };
}

/** Returns the end of a silence of this length, `2h`; `null` when it is no duration. */
export function endAfter(startMs: number, text: string): number | null {
  const length = parseDuration(text);
  return length === null || length === 0 ? null : startMs + length;
}

export type DraftFault = "matchers" | "everything" | "times" | "past" | "creator" | "comment";

/** Whether a matcher fits the empty value: a silence of such ones only would silence everything. */
function fitsEmpty({ op, value }: Matcher): boolean | null {
  if (op === "=") return value === "";
  if (op === "!=") return value !== "";
  try {
    const matches = new RegExp(`^(?:${value})$`).test("");
    return op === "=~" ? matches : !matches;
  } catch {
    // Not every RE2 expression is one of the browser's: the server decides.
    return null;
  }
}

/** Returns what is missing or wrong, in the order of the form. */
export function faultsOf(draft: Draft, nowMs: number): DraftFault[] {
  const faults: DraftFault[] = [];
  if (draft.matchers.length === 0 || draft.matchers.some((one) => one.name.trim() === "")) faults.push("matchers");
  else if (draft.matchers.every((one) => fitsEmpty(one) === true)) faults.push("everything");
  if (!(draft.startMs < draft.endMs)) faults.push("times");
  else if (draft.endMs <= nowMs) faults.push("past");
  if (draft.createdBy.trim() === "") faults.push("creator");
  if (draft.comment.trim() === "") faults.push("comment");
  return faults;
}

export function toSend(draft: Draft): SilenceDraft {
  const { startMs, endMs, ...rest } = draft;
  return { ...rest, startsAt: new Date(startMs).toISOString(), endsAt: new Date(endMs).toISOString() };
}
