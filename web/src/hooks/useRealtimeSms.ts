// The hook that its users had, under its name: tells of each SMS, timeout and cancel once, and of
// each change of the wallet; connects at mount and disconnects at unmount. What it adds: nothing is
// missed while the connection is away, and `connection` says how things arrive now.

import { useEffect, useRef, useState } from "react";

import type { Api } from "../api";
import type { Position } from "../feed/cursor";
import { Feed, type Connection, type Via } from "../feed/feed";
import { noticeOf, type Notice } from "../feed/notice";
import type { Activation, Change, Wallet } from "../rows";

export interface RealtimeSms {
  userId: string;
  /** An SMS came, or the activation timed out, was cancelled or failed. */
  onSmsReceived(activation: Activation, notice: Notice): void;
  onBalanceUpdate(wallet: Wallet, feed_seq: number): void;
  /** Every change, before the two above. */
  onChange?(change: Change): void;
  /** Reads what is shown, and says where in the feed that is. Without it: from now on. */
  load?(): Promise<Position>;
  /** Ids of numbers that wait for an SMS: about them the provider is asked while there is no socket. */
  waiting?(): string[];
  api: Api;
  gatewayUrl: string;
  getToken(): Promise<string | null>;
}

export interface Realtime {
  connection: Connection;
  /** Without a socket: look soon, something was asked for. */
  hurry(): void;
}

export function useRealtimeSms(given: RealtimeSms): Realtime {
  const { userId, api, gatewayUrl } = given;
  const [connection, setConnection] = useState<Connection>("catching-up");
  const latest = useRef(given); // callbacks may change with each render; the connection does not
  latest.current = given;
  const feed = useRef<Feed | null>(null);

  useEffect(() => {
    console.log(`🔌 [REALTIME] Connexion WebSocket pour user: ${userId}`);
    const opened = new Feed(api, gatewayUrl, () => latest.current.getToken(), {
      load: () => latest.current.load?.() ?? here(api),
      change: (change, via) => handle(change, via, latest.current),
      connection: setConnection,
      status: logStatus,
      waiting: () => latest.current.waiting?.() ?? [],
    });
    feed.current = opened;
    void opened.open();
    return () => {
      console.log("🔌 [REALTIME] Déconnexion WebSocket");
      opened.close();
      feed.current = null;
    };
  }, [userId, api, gatewayUrl]);

  return { connection, hurry: () => feed.current?.hurry() };
}

async function here(api: Api): Promise<Position> {
  const { feed_seq, epoch } = await api.me();
  return { since: feed_seq, epoch };
}

function handle(change: Change, via: Via, to: RealtimeSms): void {
  to.onChange?.(change);
  if (change.table === "wallets" && change.record) {
    to.onBalanceUpdate(change.record as Wallet, change.feed_seq);
  }
  if (change.table !== "activations" || !change.record) return;
  const [before, after] = [change.old_record as Activation | null, change.record as Activation];
  logChange(before, after, via);
  const notice = noticeOf(before, after);
  if (!notice) return;
  if (notice.kind === "received" && via === "push") {
    console.log("✅ [REALTIME] SMS reçu en temps réel!", { phone: after.phone, code: after.sms_code });
  }
  to.onSmsReceived(after, notice);
}

function logStatus(status: string): void {
  console.log(`🔌 [REALTIME] Status: ${status}`);
  if (status === "SUBSCRIBED") console.log("✅ [REALTIME] WebSocket connecté avec succès");
}

function logChange(before: Activation | null, after: Activation, via: Via): void {
  if (!before) return;
  const line = via === "push" ? "📨 [REALTIME] Changement détecté:" : "🔁 [FALLBACK] Changement détecté:";
  console.log(line, {
    phone: after.phone,
    oldStatus: before.status,
    newStatus: after.status,
    smsCode: after.sms_code,
  });
}
