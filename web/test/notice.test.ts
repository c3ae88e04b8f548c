import { expect, test } from "vitest";

import { noticeOf } from "../src/feed/notice";
import { added } from "../src/told";
import { activation, received } from "./rows";

test("an SMS is told, a later change of the same row is not", () => {
  expect(noticeOf(activation(), received())).toMatchObject({ kind: "received", key: "a sms 1" });
  expect(noticeOf(received(), received({ operator: "any" }))).toBeNull();
  expect(noticeOf(received(), received({ status: "completed" }))).toBeNull();
});

test("each further SMS of a number is told once more", () => {
  const again = noticeOf(received({ status: "pending" }), received({ sms_count: 2 }));
  expect(again).toMatchObject({ kind: "received", key: "a sms 2" });
  expect(noticeOf(received(), received({ sms_count: 3 }))?.key).toBe("a sms 3");
});

test.each(["timeout", "cancelled", "failed"] as const)("the ending %s is told", (status) => {
  expect(noticeOf(activation(), activation({ status }))).toMatchObject({ kind: status, key: `a ${status}` });
  expect(noticeOf(activation({ status }), activation({ status }))).toBeNull();
});

test("a number that is bought or seen for the first time is told to nobody", () => {
  expect(noticeOf(null, received())).toBeNull();
  expect(noticeOf(activation({ status: "requested" }), activation())).toBeNull();
});

test("a key that is in the list is not added again, and the list has an end", () => {
  expect(added(["x"], "x")).toBeNull();
  expect(added(["x"], "y")).toEqual(["x", "y"]);
  const full = Array.from({ length: 300 }, (_, index) => `key ${index}`);
  expect(added(full, "new")).toHaveLength(300);
  expect(added(full, "new")?.at(-1)).toBe("new");
});
