import { expect, test } from "vitest";

import { moveTo, take } from "../src/feed/cursor";
import type { Change } from "../src/rows";

const change = (feed_seq: number, feed_prev?: number): Change => ({
  feed_seq, table: "activations", record: {}, old_record: null, ...(feed_prev === undefined ? {} : { feed_prev }),
});

test("the next change is new, once, whichever way it comes", () => {
  const cursor = { since: 4, epoch: "e" };
  expect(take(cursor, change(5, 4))).toBe("new");
  expect(take(cursor, change(5))).toBe("known");
  expect(cursor.since).toBe(5);
});

test("a change behind one that was not seen is a gap, and moves nothing", () => {
  const cursor = { since: 4, epoch: "e" };
  expect(take(cursor, change(6, 5))).toBe("gap");
  expect(take(cursor, change(6))).toBe("gap");
  expect(cursor.since).toBe(4);
});

test("a binding that is not sent every number is followed by its feed_prev", () => {
  const cursor = { since: 4, epoch: "e" };
  expect(take(cursor, change(9, 4))).toBe("new");
  expect(take(cursor, change(12, 9))).toBe("new");
});

test("socket and fallback interleaved in any order handle each change once, in order", () => {
  const feed = Array.from({ length: 40 }, (_, index) => change(index + 1, index));
  for (let seed = 1; seed <= 50; seed++) {
    const cursor = { since: 0, epoch: "e" };
    const handled: number[] = [];
    let random = seed;
    const ways = [0, 0];
    while (ways.some((at) => at < feed.length)) {
      random = (random * 48271) % 2147483647;
      const way = random % 2;
      const next = feed[ways[way]!];
      if (next) {
        ways[way]!++;
        if (take(cursor, next) === "new") handled.push(next.feed_seq);
      } else ways[way] = feed.length;
    }
    expect(handled).toEqual(feed.map(({ feed_seq }) => feed_seq));
  }
});

test("a list read anew moves the cursor, even backwards into another history", () => {
  const cursor = { since: 40, epoch: "old", table: "*" };
  moveTo(cursor, { since: 3, epoch: "new" });
  expect(cursor).toEqual({ since: 3, epoch: "new", table: "*" });
});
