import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ApiError, type Api, type ChangePage } from "../src/api";
import type { Position } from "../src/feed/cursor";
import { Feed, type Connection, type FeedUser } from "../src/feed/feed";
import type { Change } from "../src/rows";
import { Gateway } from "./gateway";

class Page extends EventTarget {
  hidden = false;
}

class Browser implements FeedUser {
  readonly gateway = new Gateway();
  readonly page = new Page();
  readonly window = new EventTarget();
  readonly navigator = { onLine: true };
  readonly changes: string[] = [];
  readonly states: Connection[] = [];
  readonly reads: number[] = [];
  loads: (() => Promise<Position>)[] = [];
  pages: ((after: number) => Promise<ChangePage>)[] = [];
  token = "first";
  readonly feed: Feed;

  constructor() {
    vi.stubGlobal("WebSocket", this.gateway.WebSocket);
    vi.stubGlobal("document", this.page);
    vi.stubGlobal("navigator", this.navigator);
    for (const name of ["addEventListener", "removeEventListener"] as const) {
      vi.stubGlobal(name, this.window[name].bind(this.window));
    }
    const changes = async ({ since }: Position): Promise<ChangePage> => {
      this.reads.push(since);
      return (this.pages.shift() ?? nothing)(since);
    };
    this.feed = new Feed({ changes } as Api, "ws://gateway", async () => this.token, this);
  }

  load = (): Promise<Position> => (this.loads.shift() ?? at(4))();
  change = ({ feed_seq }: Change, via: string): void => void this.changes.push(`${feed_seq} ${via}`);
  connection = (state: Connection): void => void (this.states.at(-1) !== state && this.states.push(state));
  status = (): void => undefined;
  waiting = (): string[] => [];

  get state(): Connection | undefined {
    return this.states.at(-1);
  }

  async opened(feed_seq = 4): Promise<this> {
    this.gateway.feed_seq = feed_seq;
    await this.feed.open();
    await passes(0);
    return this;
  }
}

const at = (since: number) => async (): Promise<Position> => ({ since, epoch: "e" });
const nothing = async (after: number): Promise<ChangePage> => page(after);
const page = (feed_seq: number, ...numbers: number[]): ChangePage => ({
  changes: numbers.map((number) => ({ feed_seq: number, table: "activations", record: { id: "a" }, old_record: null })),
  feed_seq, epoch: "e", more: false,
});
const passes = (time_ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(time_ms);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("it joins from where the list was read, and is live once it has what was there then", async () => {
  const browser = await new Browser().opened(6);
  expect(browser.gateway.joins).toEqual([{ since: 4, epoch: "e", token: "first" }]);
  browser.gateway.change(5);
  expect(browser.states).toEqual(["catching-up"]);
  browser.gateway.change(6);
  expect(browser.state).toBe("live");
  browser.gateway.change(7);
  browser.gateway.change(7);
  expect(browser.changes).toEqual(["5 push", "6 push", "7 push"]);
});

test("a change behind one that has not come is fetched with it, in order", async () => {
  const browser = await new Browser().opened();
  browser.pages = [async () => page(6, 5, 6)];
  browser.gateway.change(6, 5);
  await passes(0);
  expect(browser.changes).toEqual(["5 fallback", "6 fallback"]);
});

test("cut off it polls, and joins again from where it is by then; each change comes once", async () => {
  const browser = await new Browser().opened();
  browser.pages = [async () => page(5, 5)];
  browser.gateway.kill();
  expect(browser.state).toBe("polling");
  await passes(3_000);
  browser.gateway.isUp = true;
  browser.gateway.feed_seq = 5;
  await passes(10_000);
  expect(browser.gateway.joins.at(-1)).toMatchObject({ since: 5 });
  browser.gateway.change(5);
  browser.gateway.change(6);
  expect(browser.changes).toEqual(["5 fallback", "6 push"]);
  expect(browser.state).toBe("live");
  const reads = browser.reads.length;
  await passes(120_000);
  expect(browser.reads).toHaveLength(reads);
});

test("a heartbeat without an answer for 4 s starts the fallback, a late answer ends it", async () => {
  const browser = await new Browser().opened();
  browser.gateway.answersHeartbeats = false;
  await passes(15_000 + 4_000);
  expect(browser.state).toBe("polling");
  browser.gateway.answerLate();
  expect(browser.state).toBe("live");
  expect(browser.gateway.joins).toHaveLength(1);
  await passes(5_000);
  expect(browser.reads).toEqual([]);
});

test("a tab that is looked at again asks its line at once whether it is alive", async () => {
  const browser = await new Browser().opened();
  browser.gateway.answersHeartbeats = false;
  browser.page.dispatchEvent(new Event("visibilitychange"));
  await passes(4_000);
  expect(browser.state).toBe("polling");
});

test.each(["the socket says so", "HTTP says so"])("a cursor that is not served: all is read anew; %s", async (how) => {
  const browser = new Browser();
  if (how === "the socket says so") {
    browser.gateway.resync = true;
    browser.loads = [at(4), at(9)];
    await browser.opened(9);
  } else {
    await browser.opened();
    browser.loads = [at(9)];
    browser.pages = [async () => Promise.reject(new ApiError(410, "cursor_too_old", "too old"))];
    browser.gateway.change(8, 7);
  }
  await passes(0);
  browser.gateway.change(9);
  browser.gateway.change(10);
  expect(browser.changes).toEqual(["10 push"]);
  expect(browser.state).toBe("live");
});

test("where nothing can be read it says that it is offline, and tries again", async () => {
  const browser = new Browser();
  browser.loads = [async () => Promise.reject(new ApiError(0, "unreachable", "away"))];
  await browser.opened();
  expect(browser.state).toBe("offline");
  expect(browser.gateway.joins).toEqual([]);
  await passes(3_000);
  expect(browser.state).toBe("live");
});

test("without a network it is offline at once, and live again without a reload", async () => {
  const browser = await new Browser().opened();
  browser.navigator.onLine = false;
  browser.window.dispatchEvent(new Event("offline"));
  expect(browser.state).toBe("offline");
  browser.navigator.onLine = true;
  browser.window.dispatchEvent(new Event("online"));
  await passes(0);
  expect(browser.state).toBe("live");
});

test("a channel that fails is joined again with the token of then", async () => {
  const browser = await new Browser().opened();
  browser.token = "second";
  browser.gateway.fail();
  expect(browser.state).toBe("polling");
  await passes(1_000);
  expect(browser.gateway.joins.map(({ token }) => token)).toEqual(["first", "second"]);
  expect(browser.state).toBe("live");
});

test("closed it is silent: no line, no timer, no listener", async () => {
  const browser = await new Browser().opened();
  browser.feed.close();
  await passes(0);
  expect(browser.gateway.openLines).toBe(0);
  const told = browser.states.length;
  for (const event of ["online", "offline"]) browser.window.dispatchEvent(new Event(event));
  await passes(120_000);
  expect(browser.states).toHaveLength(told);
  expect(browser.reads).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
