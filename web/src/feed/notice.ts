// Which changes of an activation a user is told of. A notice has a key that is made of what
// happened and not of how it came, so whoever learns of it second (another tab, the fallback, a
// list read anew) knows that it was told.

import type { Activation } from "../rows";

export type NoticeKind = "received" | "timeout" | "cancelled" | "failed";

export interface Notice {
  key: string;
  kind: NoticeKind;
  row: Activation;
}

const ENDINGS: ReadonlySet<string> = new Set(["timeout", "cancelled", "failed"]);

export function noticeOf(before: Activation | null, after: Activation): Notice | null {
  if (!before) return null;
  if (after.sms_count > before.sms_count && after.status === "received") {
    return { key: `${after.id} sms ${after.sms_count}`, kind: "received", row: after };
  }
  if (after.status !== before.status && ENDINGS.has(after.status)) {
    return { key: `${after.id} ${after.status}`, kind: after.status as NoticeKind, row: after };
  }
  return null;
}
