// When the fallback asks, and for what: every 3 s while something happens, ever less often down to
// every 30 s; with a number that waits for its SMS at least every 6 s, so that on a line where an
// answer takes 2 s and more its code is shown within 10 s. Pure: `now` is an argument.

export const FIRST_WAIT_MS = 3_000;
export const LONGEST_WAIT_MS = 30_000;
export const LONGEST_WAIT_WITH_A_NUMBER_MS = 6_000;
export const CHECK_EVERY_MS = 10_000;
const GROWTH = 1.5;

/** The wait before the next read, after one that brought nothing (or failed). */
export function longerWait(wait_ms: number, numbersWait: boolean): number {
  const longest = numbersWait ? LONGEST_WAIT_WITH_A_NUMBER_MS : LONGEST_WAIT_MS;
  return Math.min(wait_ms * GROWTH, longest);
}

/** Of the numbers that wait, those whose provider may be asked now. */
export function dueChecks(waiting: readonly string[], asked: ReadonlyMap<string, number>, now_ms: number): string[] {
  return waiting.filter((id) => now_ms - (asked.get(id) ?? -Infinity) >= CHECK_EVERY_MS);
}
