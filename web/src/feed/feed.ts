// A user's feed in a page: by the socket while there is one, by HTTP while there is none, each
// change handled once and in order. Where a cursor cannot be served, everything is read anew.

import {
  REALTIME_LISTEN_TYPES as LISTEN,
  REALTIME_POSTGRES_CHANGES_LISTEN_EVENT as EVENT,
  RealtimeClient,
} from "@supabase/realtime-js";

import { ApiError, type Api } from "../api";
import { Fallback } from "../fallback/fallback";
import type { Change } from "../rows";
import { moveTo, take, type Position } from "./cursor";

export type Connection = "live" | "catching-up" | "polling" | "offline";
export type Via = "push" | "fallback";

export interface FeedUser {
  /** Reads what the page shows; where in the feed that is. */
  load(): Promise<Position>;
  change(change: Change, via: Via): void;
  connection(state: Connection): void;
  status(status: string): void;
  /** Ids of the numbers that wait for an SMS. */
  waiting(): string[];
}

interface Pushed {
  table: string;
  new: Record<string, unknown>;
  old: Record<string, unknown>;
}

interface System {
  extension: string;
  feed_seq: number;
  epoch: string;
}

const EVERY = EVENT.ALL as const;
const HEARTBEAT_MS = 15_000;
const ANSWER_LIMIT_MS = 4_000;
const RETRY_LOAD_MS = 3_000;
const KEY = "sb_publishable_sonnette"; // the client wants one; the user's token goes into the join

export class Feed {
  private readonly cursor = { event: EVERY, schema: "public", table: "*", since: 0, epoch: "" };
  private readonly client: RealtimeClient;
  private readonly fallback: Fallback;
  private joined = false;
  private closed = false;
  private target = Infinity;
  private doubt: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private reading: Promise<boolean> | undefined;

  constructor(
    private readonly api: Api,
    gatewayUrl: string,
    getToken: () => Promise<string | null>,
    private readonly user: FeedUser,
  ) {
    this.client = new RealtimeClient(`${gatewayUrl}/realtime/v1`, {
      params: { apikey: KEY },
      accessToken: getToken,
      heartbeatIntervalMs: HEARTBEAT_MS,
      heartbeatCallback: (status) => this.heartbeat(status),
    });
    this.fallback = new Fallback({
      read: () => this.read(),
      check: async (id) => void (await this.api.act(id, "check", 0)),
      waiting: () => this.user.waiting(),
      told: (answered) => !this.joined && this.user.connection(answered ? "polling" : "offline"),
    });
  }

  async open(): Promise<void> {
    this.user.connection("catching-up");
    addEventListener("online", this.looked);
    addEventListener("offline", this.cut);
    document.addEventListener("visibilitychange", this.looked);
    await this.begin();
  }

  close(): void {
    this.closed = true;
    removeEventListener("online", this.looked);
    removeEventListener("offline", this.cut);
    document.removeEventListener("visibilitychange", this.looked);
    clearTimeout(this.doubt);
    clearTimeout(this.retry);
    this.fallback.stop();
    void this.client.removeAllChannels();
    void this.client.disconnect();
  }

  /** A number was asked for: without a socket, look soon. */
  hurry(): void {
    this.fallback.hurry();
  }

  private async begin(): Promise<void> {
    try {
      moveTo(this.cursor, await this.user.load());
      await this.client.setAuth(); // or the first join goes without the token, and is refused
    } catch {
      if (this.closed) return;
      this.user.connection("offline");
      this.retry = setTimeout(() => void this.begin(), RETRY_LOAD_MS);
      return;
    }
    if (!this.closed) this.subscribe();
  }

  private subscribe(): void {
    this.client
      .channel("sms-updates")
      .on(LISTEN.POSTGRES_CHANGES, this.cursor, (payload) => this.pushed(payload))
      .on(LISTEN.SYSTEM, {}, (payload: System) => void this.system(payload))
      .subscribe((status) => {
        this.user.status(status);
        if (status === "SUBSCRIBED" || this.closed) return;
        this.lost();
        // It joins again in a second: with the token of now, or an ended one would be refused for long.
        void this.client.setAuth();
      });
  }

  private pushed({ table, new: row, old }: Pushed): void {
    const isDelete = Object.keys(row).length === 0;
    const carrier = (isDelete ? old : row) as { feed_seq: number; feed_prev: number };
    this.handle({
      feed_seq: carrier.feed_seq,
      feed_prev: carrier.feed_prev,
      table,
      record: isDelete ? null : row,
      old_record: Object.keys(old).length ? old : null,
    }, "push");
    this.answered();
    this.settle();
  }

  private handle(change: Change, via: Via): void {
    const verdict = take(this.cursor, change);
    if (verdict === "new") this.user.change(change, via);
    else if (verdict === "gap") void this.read().catch(() => this.reload());
  }

  private async system(payload: System): Promise<void> {
    if (payload.extension !== "postgres_changes" && payload.extension !== "resync") return;
    this.joined = true;
    this.fallback.stop();
    this.target = payload.feed_seq;
    if (payload.extension === "resync") {
      moveTo(this.cursor, { since: payload.feed_seq, epoch: payload.epoch });
      await this.reload();
    }
    this.settle();
  }

  private settle(): void {
    if (this.joined) this.user.connection(this.cursor.since >= this.target ? "live" : "catching-up");
  }

  private lost(): void {
    if (this.closed || this.fallback.isRunning) return;
    this.joined = false;
    this.target = Infinity;
    this.user.connection(navigator.onLine ? "polling" : "offline");
    this.fallback.start();
  }

  private heartbeat(status: string): void {
    clearTimeout(this.doubt);
    this.doubt = undefined;
    if (this.closed) return;
    if (status === "sent") this.doubt = setTimeout(() => this.lost(), ANSWER_LIMIT_MS);
    else if (status === "ok") this.answered();
    else if (status !== "error") this.lost();
  }

  /** The line was only slow: the channel never went, so nothing was missed on it. */
  private answered(): void {
    const channel = this.client.getChannels()[0];
    if (this.joined || channel?.state !== "joined") return;
    this.joined = true;
    this.target = this.cursor.since;
    this.fallback.stop();
    this.settle();
  }

  private readonly looked = (): void => {
    if (document.hidden || this.closed) return;
    // After a sleep the line may be dead and nobody told: ask it. A second heartbeat would end it.
    if (this.doubt === undefined) void this.client.sendHeartbeat();
    if (this.fallback.isRunning) void this.read().catch(() => undefined);
    this.fallback.hurry();
  };

  private readonly cut = (): void => this.lost();

  /** Everything after the cursor over HTTP; whether there was something. */
  private read(): Promise<boolean> {
    this.reading ??= this.readPages().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async readPages(): Promise<boolean> {
    let news = false;
    try {
      for (let more = true; more && !this.closed; ) {
        const page = await this.api.changes(this.cursor);
        for (const change of page.changes) this.handle(change, "fallback");
        news ||= page.changes.length > 0;
        more = page.more;
      }
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 409 && error.status !== 410)) throw error;
      await this.reload();
      news = true;
    }
    return news;
  }

  private async reload(): Promise<void> {
    const read = await this.user.load();
    // What the socket brings between its join and this list is in the list: both are right.
    if (read.epoch !== this.cursor.epoch || read.since > this.cursor.since) moveTo(this.cursor, read);
  }
}
