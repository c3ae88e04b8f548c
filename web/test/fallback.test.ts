import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Fallback, type Source } from "../src/fallback/fallback";
import { dueChecks, FIRST_WAIT_MS, LONGEST_WAIT_MS, LONGEST_WAIT_WITH_A_NUMBER_MS, longerWait } from "../src/fallback/plan";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

class Told implements Source {
  reads: number[] = [];
  checks: [string, number][] = [];
  answers: boolean[] = [];
  numbers: string[] = [];
  news: () => Promise<boolean> = async () => false;

  read = (): Promise<boolean> => {
    this.reads.push(Date.now());
    return this.news();
  };
  check = async (id: string): Promise<void> => void this.checks.push([id, Date.now()]);
  waiting = (): string[] => this.numbers;
  told = (answered: boolean): void => void this.answers.push(answered);
  waits = (): number[] => this.reads.slice(1).map((at, index) => at - this.reads[index]!);
}

test("the waits grow from 3 s to 30 s, and to 6 s while a number waits", () => {
  let [idle, waiting] = [FIRST_WAIT_MS, FIRST_WAIT_MS];
  for (let turn = 0; turn < 20; turn++) {
    idle = longerWait(idle, false);
    waiting = longerWait(waiting, true);
  }
  expect([FIRST_WAIT_MS, idle, waiting]).toEqual([3_000, LONGEST_WAIT_MS, LONGEST_WAIT_WITH_A_NUMBER_MS]);
});

test("a number is asked about at most every 10 s", () => {
  const asked = new Map([["a", 0], ["b", 5_000]]);
  expect(dueChecks(["a", "b", "c"], asked, 9_999)).toEqual(["c"]);
  expect(dueChecks(["a", "b"], asked, 10_000)).toEqual(["a"]);
});

test("it reads after 3 s, less and less often, and at once often again after news", async () => {
  const source = new Told();
  const fallback = new Fallback(source);
  fallback.start();
  await vi.advanceTimersByTimeAsync(2_999);
  expect(source.reads).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(source.waits().slice(0, 3)).toEqual([4_500, 6_750, 10_125]);
  expect(Math.max(...source.waits())).toBe(30_000);
  source.news = async () => true;
  await vi.advanceTimersByTimeAsync(40_000);
  expect(source.waits().at(-1)).toBe(3_000);
  fallback.stop();
});

test("with a number that waits it asks for a check, never twice in 10 s", async () => {
  const source = new Told();
  source.numbers = ["a"];
  const fallback = new Fallback(source);
  fallback.start();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(source.checks.length).toBeGreaterThan(5);
  const times = source.checks.map(([, at]) => at);
  expect(Math.min(...times.slice(1).map((at, index) => at - times[index]!))).toBeGreaterThanOrEqual(10_000);
  fallback.stop();
});

test("it is silent once the socket is back, also when a read was under way", async () => {
  const source = new Told();
  let answer = (_news: boolean): void => undefined;
  source.news = () => new Promise((resolve) => (answer = resolve));
  const fallback = new Fallback(source);
  fallback.start();
  await vi.advanceTimersByTimeAsync(3_000);
  fallback.stop();
  answer(true);
  await vi.advanceTimersByTimeAsync(300_000);
  expect(source.reads).toHaveLength(1);
  expect(source.answers).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test("a read that fails is said, and tried again", async () => {
  const source = new Told();
  source.news = () => Promise.reject(new Error("away"));
  const fallback = new Fallback(source);
  fallback.start();
  await vi.advanceTimersByTimeAsync(3_000);
  source.news = async () => false;
  await vi.advanceTimersByTimeAsync(4_500);
  expect(source.answers).toEqual([false, true]);
  fallback.stop();
});

test("what is hurried is asked after 3 s; started twice it still reads once", async () => {
  const source = new Told();
  const fallback = new Fallback(source);
  fallback.start();
  await vi.advanceTimersByTimeAsync(60_000);
  const before = source.reads.length;
  fallback.start();
  fallback.hurry();
  await vi.advanceTimersByTimeAsync(3_000);
  expect(source.reads.length).toBe(before + 1);
  fallback.stop();
  fallback.hurry();
  expect(vi.getTimerCount()).toBe(0);
});
