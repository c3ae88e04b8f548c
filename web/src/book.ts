// The activations that the page knows, each with the number of the feed that it is from. An older
// one never replaces a newer one, whether it came by the socket, by a list or as a write's answer.

import type { Activation } from "./rows";

export interface Entry {
  row: Activation;
  seq: number;
}

export interface Book {
  entries: ReadonlyMap<string, Entry>;
  next: string | null;
  /** Numbers of another history mean nothing here. */
  epoch: string;
}

export const EMPTY: Book = { entries: new Map(), next: null, epoch: "" };

export function put(book: Book, row: Activation, seq: number): Book {
  const known = book.entries.get(row.id);
  if (known && known.seq >= seq) return book;
  return { ...book, entries: new Map(book.entries).set(row.id, { row, seq }) };
}

export function remove(book: Book, id: string): Book {
  const entries = new Map(book.entries);
  entries.delete(id);
  return { ...book, entries };
}

export interface Listed {
  items: readonly Activation[];
  next: string | null;
  feed_seq: number;
  epoch: string;
}

/** The first page read anew: what it does not have is gone, except what is newer than it or older than its last row. */
export function relist(book: Book, page: Listed): Book {
  if (book.epoch !== page.epoch) return append({ ...EMPTY, epoch: page.epoch }, page);
  const last = page.next ? page.items.at(-1)?.created_at : undefined;
  const entries = new Map<string, Entry>();
  for (const [id, entry] of book.entries) {
    const older = last !== undefined && Date.parse(entry.row.created_at) < Date.parse(last);
    if (entry.seq > page.feed_seq || older) entries.set(id, entry);
  }
  const next = [...entries.values()].some(({ seq }) => seq <= page.feed_seq) ? book.next : page.next;
  return append({ ...book, entries, next }, { ...page, next });
}

/** One more page. */
export function append(book: Book, page: Listed): Book {
  const grown = page.items.reduce((all, row) => put(all, row, page.feed_seq), book);
  return { ...grown, next: page.next };
}

export function newestFirst(book: Book): Activation[] {
  return [...book.entries.values()]
    .map(({ row }) => row)
    .sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
}
