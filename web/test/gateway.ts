// A gateway in memory, for tests of the feed: it speaks protocol 2.0.0 with the unmodified client, over
// lines that stand where a browser has its WebSocket. Real ones are in tests/browser.

type Frame = [join: string | null, ref: string | null, topic: string, event: string, payload: Record<string, any>];

interface Told {
  data?: string;
  code?: number;
  reason?: string;
  wasClean?: boolean;
}

class Line {
  readyState = 0;
  bufferedAmount = 0;
  binaryType = "";
  onopen = (_told: Told): void => undefined;
  onmessage = (_told: Told): void => undefined;
  onclose = (_told: Told): void => undefined;
  onerror = (_told: Told): void => undefined;

  constructor(private readonly gateway: Gateway) {
    queueMicrotask(() => {
      if (!gateway.isUp) return this.end();
      this.readyState = 1;
      this.onopen({});
    });
  }

  send(text: string): void {
    queueMicrotask(() => this.gateway.take(this, JSON.parse(text) as Frame));
  }

  close(): void {
    this.end();
  }

  end(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose({ code: 1006, reason: "", wasClean: false });
  }
}

export class Gateway {
  isUp = true;
  answersHeartbeats = true;
  /** What its `system` message says; `resync` where the cursor is not served. */
  feed_seq = 0;
  resync = false;
  readonly joins: { since: number; epoch: string; token: string }[] = [];
  private readonly lines: Line[] = [];
  private topic = "";
  private heartbeat: (() => void) | undefined;

  /** What a page calls WebSocket. */
  readonly WebSocket = ((gateway: Gateway) =>
    class extends Line {
      constructor() {
        super(gateway);
        gateway.lines.push(this);
      }
    })(this);

  get openLines(): number {
    return this.lines.filter((line) => line.readyState < 2).length;
  }

  take(line: Line, [join, ref, topic, event, payload]: Frame): void {
    const reply = (response: object) =>
      this.say(line, [join, ref, topic, "phx_reply", { status: "ok", response }]);
    if (event === "heartbeat") {
      this.heartbeat = () => reply({});
      if (this.answersHeartbeats) this.heartbeat();
    } else if (event === "phx_join") {
      const [binding] = payload.config.postgres_changes;
      this.topic = topic;
      this.joins.push({ since: binding.since, epoch: binding.epoch, token: payload.access_token });
      reply({ postgres_changes: [{ ...binding, id: 1 }] });
      const extension = this.resync ? "resync" : "postgres_changes";
      this.say(line, [join, null, topic, "system", { status: "ok", message: "", channel: "", extension, feed_seq: this.feed_seq, epoch: "e" }]);
    } else reply({});
  }

  change(feed_seq: number, feed_prev = feed_seq - 1, table = "activations"): void {
    const record = { id: "a", feed_seq, feed_prev };
    const data = { schema: "public", table, type: "UPDATE", commit_timestamp: "2026-01-01T00:00:00Z", columns: [], record, old_record: { id: "a" }, errors: null };
    this.say(this.lines.at(-1)!, [null, null, this.topic, "postgres_changes", { ids: [1], data }]);
  }

  /** The token has ended: what the gateway says then. */
  fail(): void {
    this.say(this.lines.at(-1)!, [null, null, this.topic, "phx_error", { code: 4001, reason: "Token has expired" }]);
  }

  answerLate(): void {
    this.heartbeat?.();
  }

  kill(): void {
    this.isUp = false;
    this.lines.forEach((line) => line.end());
  }

  private say(line: Line, frame: Frame): void {
    line.onmessage({ data: JSON.stringify(frame) });
  }
}
