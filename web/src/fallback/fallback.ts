// The feed over HTTP while there is no socket: started when it is lost, silent when it is back.
// One read at a time; what it brings goes through the same cursor as what the socket brings.

import { dueChecks, FIRST_WAIT_MS, longerWait } from "./plan";

export interface Source {
  /** Reads everything after the cursor; whether there was something. */
  read(): Promise<boolean>;
  /** Asks the provider about one number; its answer comes by the feed. */
  check(id: string): Promise<void>;
  /** Ids of the numbers that wait for an SMS. */
  waiting(): string[];
  /** Whether the last read was answered. */
  told(answered: boolean): void;
}

export class Fallback {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wait_ms = FIRST_WAIT_MS;
  private running = false;
  private readonly asked = new Map<string, number>();

  constructor(private readonly source: Source) {}

  get isRunning(): boolean {
    return this.running;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.wait_ms = FIRST_WAIT_MS;
    this.later();
  }

  stop(): void {
    this.running = false;
    clearTimeout(this.timer);
  }

  /** Something is about to happen (a purchase, the tab is looked at): ask soon again. */
  hurry(): void {
    this.wait_ms = FIRST_WAIT_MS;
    if (this.running) this.later();
  }

  private later(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.once(), this.wait_ms);
  }

  private async once(): Promise<void> {
    let news = false;
    try {
      this.ask();
      news = await this.source.read();
      if (this.running) this.source.told(true);
    } catch {
      if (this.running) this.source.told(false);
    }
    if (!this.running) return;
    this.wait_ms = news ? FIRST_WAIT_MS : longerWait(this.wait_ms, this.source.waiting().length > 0);
    this.later();
  }

  private ask(): void {
    const now = Date.now();
    for (const id of dueChecks(this.source.waiting(), this.asked, now)) {
      this.asked.set(id, now);
      // A refusal changes nothing here: the feed says what became of the number.
      this.source.check(id).catch(() => undefined);
    }
  }
}
