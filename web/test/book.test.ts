import { expect, test } from "vitest";

import { append, EMPTY, newestFirst, put, relist, remove } from "../src/book";
import { activation, received } from "./rows";

const page = (feed_seq: number, items = [activation()], next: string | null = null, epoch = "") =>
  ({ items, next, feed_seq, epoch });

test("an older row never replaces a newer one", () => {
  const book = put(put(EMPTY, received(), 9), activation(), 8);
  expect(newestFirst(book)[0]?.status).toBe("received");
  expect(newestFirst(relist(book, page(8)))[0]?.status).toBe("received");
  expect(newestFirst(relist(book, page(10)))[0]?.status).toBe("pending");
});

test("a list read anew forgets what is gone, and keeps what is newer than it", () => {
  const book = put(put(EMPTY, activation({ id: "gone" }), 3), activation({ id: "new" }), 12);
  expect([...relist(book, page(10)).entries.keys()].sort()).toEqual(["a", "new"]);
  expect(remove(book, "gone").entries.has("gone")).toBe(false);
});

test("further pages stay when the first is read anew", () => {
  const old = activation({ id: "old", created_at: "2025-01-01T00:00:00Z" });
  const book = append(relist(EMPTY, page(5, [activation()], "more")), page(5, [old], "yet more"));
  const again = relist(book, page(6, [activation()], "more"));
  expect(newestFirst(again).map(({ id }) => id)).toEqual(["a", "old"]);
  expect(again.next).toBe("yet more");
});

test("another history begins with an empty book", () => {
  const book = put({ ...EMPTY, epoch: "one" }, received({ id: "x" }), 900);
  expect([...relist(book, page(3, [activation()], null, "two")).entries.keys()]).toEqual(["a"]);
});
