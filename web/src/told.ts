// Each notice once, in however many tabs: whoever has the key's lock and does not find the key in the
// list tells it. A tab that is looked at goes first. The list holds keys only, never a code.
//
// The list alone is not enough: browsers bring what one tab writes to the others a little later. So
// the lock is kept until the list has certainly come through.

const LIST = "sonnette.told";
const LOCK = "sonnette.told";
const KEPT = 300;
const HIDDEN_WAIT_MS = 400;
export const HELD_MS = 60_000;

/** The list with `key` added, or null if it is there already. */
export function added(list: readonly string[], key: string): string[] | null {
  return list.includes(key) ? null : [...list, key].slice(-KEPT);
}

/** Whether this tab is the one that tells it. */
export async function claim(key: string): Promise<boolean> {
  if (document.hidden) await passed(HIDDEN_WAIT_MS);
  // Web Locks are there on https and on localhost; elsewhere writing at once is as good as it gets.
  if (!navigator.locks) return write(key);
  return new Promise((tell) => {
    navigator.locks
      .request(`${LOCK} ${key}`, { ifAvailable: true }, async (free) => {
        const mine = free !== null && (await navigator.locks.request(LOCK, () => write(key)));
        tell(mine);
        if (mine) await passed(HELD_MS);
      })
      .catch(() => tell(write(key)));
  });
}

const passed = (time_ms: number): Promise<void> => new Promise((done) => setTimeout(done, time_ms));

function write(key: string): boolean {
  const list = added(read(), key);
  if (list) localStorage.setItem(LIST, JSON.stringify(list));
  return list !== null;
}

function read(): string[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(LIST) ?? "[]");
    return Array.isArray(list) ? list.filter((key) => typeof key === "string") : [];
  } catch {
    return [];
  }
}
