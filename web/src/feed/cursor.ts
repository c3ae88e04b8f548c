// The one cursor that the socket and the fallback share. It is the very object that the socket's
// binding holds, so each rejoin sends where we are; a change is taken once, by whichever brings it.

import type { Change } from "../rows";

export interface Position {
  since: number;
  epoch: string;
}

/** "new": handle it. "known": it was handled. "gap": something before it has not been seen. */
export type Verdict = "new" | "known" | "gap";

export function take(cursor: Position, change: Change): Verdict {
  if (change.feed_seq <= cursor.since) return "known";
  const before = change.feed_prev ?? change.feed_seq - 1;
  if (before > cursor.since) return "gap";
  cursor.since = change.feed_seq;
  return "new";
}

/** To where a list was read: the next change is the one after it. */
export function moveTo(cursor: Position, to: Position): void {
  cursor.since = to.since;
  cursor.epoch = to.epoch;
}
