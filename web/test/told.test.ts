import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { claim, HELD_MS } from "../src/told";

/** The browser's locks, as far as they are used: shared by all tabs, and never stale. */
class Locks {
  private readonly held = new Set<string>();

  async request(name: string, ...rest: [{ ifAvailable: true }, Work] | [Work]): Promise<unknown> {
    const work = rest.at(-1) as Work;
    if (this.held.has(name)) return work(null);
    this.held.add(name);
    try {
      return await work({ name });
    } finally {
      this.held.delete(name);
    }
  }
}
type Work = (lock: { name: string } | null) => unknown;

/** A tab's view of what is stored: its own writes, and others' once they have come through. */
class Stored {
  list: string | null = null;
  getItem = (): string | null => this.list;
  setItem = (_name: string, list: string): void => void (this.list = list);
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("document", { hidden: false });
  vi.stubGlobal("navigator", { locks: new Locks() });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const inTab = (stored: Stored): Promise<boolean> => {
  vi.stubGlobal("localStorage", stored);
  return claim("a sms 1");
};

test("one of two tabs tells it, though neither sees what the other has stored", async () => {
  const [one, two] = [new Stored(), new Stored()];
  expect(await inTab(one)).toBe(true);
  expect(await inTab(two)).toBe(false);
  expect(await inTab(one)).toBe(false);
});

test("it is told to nobody again once what was stored has come through", async () => {
  const one = new Stored();
  expect(await inTab(one)).toBe(true);
  await vi.advanceTimersByTimeAsync(HELD_MS);
  const later = new Stored();
  later.list = one.list;
  expect(await inTab(later)).toBe(false);
});

test("where there are no locks the list decides", async () => {
  vi.stubGlobal("navigator", {});
  const stored = new Stored();
  expect([await inTab(stored), await inTab(stored)]).toEqual([true, false]);
});
