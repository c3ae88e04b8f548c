// The dashboard: wallet, offers, live numbers, history. Rows come by HTTP once and by the feed from
// there on; both go into the queries' cache, where a newer row is never replaced by an older one.

import { skipToken, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { toast } from "sonner";

import { canAskToNotify, notify, ring, setSound, soundIsOn } from "../alerts";
import { ApiError, type Action, type Api } from "../api";
import { append, EMPTY, newestFirst, put, relist, remove, type Book } from "../book";
import { Buy } from "../components/Buy";
import { Button } from "../components/Button";
import { Header } from "../components/Header";
import { NumberCard } from "../components/NumberCard";
import { WalletView } from "../components/Wallet";
import { useText } from "../context";
import type { Position } from "../feed/cursor";
import { noticeOf, type Notice } from "../feed/notice";
import { useRealtimeSms } from "../hooks/useRealtimeSms";
import { isLive, waitsForSms, type Activation, type Change, type Offer, type Wallet } from "../rows";
import { claim } from "../told";

const BOOK = ["activations"];
const WALLET = ["wallet"];

interface Held {
  wallet: Wallet;
  currency: string;
  seq: number;
}

export interface DashboardProps {
  userId: string;
  api: Api;
  gatewayUrl: string;
  getToken(): Promise<string | null>;
  signOut?(): void;
}

export function DashboardPage({ userId, api, gatewayUrl, getToken, signOut }: DashboardProps) {
  const text = useText();
  const { words } = text;
  const queries = useQueryClient();
  const [refusal, setRefusal] = useState("");
  const [announcement, setAnnouncement] = useState("");
  const { data: book } = useQuery<Book>({ queryKey: BOOK, queryFn: skipToken });
  const { data: held } = useQuery<Held>({ queryKey: WALLET, queryFn: skipToken });

  const tell = useCallback(async (notice: Notice) => {
    if (notice.kind === "received") setAnnouncement(text.announcement(notice.row));
    if (!(await claim(notice.key))) return;
    const [title, line] = text.toast(notice);
    const show = notice.kind === "received" ? toast.success : notice.kind === "cancelled" ? toast.info : toast.warning;
    show(title, { description: line, id: notice.key });
    notify(notice.row.id, title, line);
    if (notice.kind === "received") ring();
  }, [text]);

  const { connection, hurry } = useRealtimeSms({
    userId, api, gatewayUrl, getToken,
    load: () => load(api, queries, (notice) => void tell(notice)),
    waiting: () => newestFirst(books(queries)).filter(waitsForSms).map((row) => row.id),
    onChange: (change) => apply(change, queries),
    onSmsReceived: (_activation, notice) => {
      if (notice.kind === "received") console.log("⚡ [REALTIME] SMS reçu, rechargement des activations...");
      void tell(notice);
      load(api, queries, (missed) => void tell(missed)).catch(() => undefined);
    },
    onBalanceUpdate: (wallet, seq) => holdWallet(queries, wallet, seq),
  });

  const attempt = async (work: () => Promise<{ body: Activation; feed_seq: number }>) => {
    setRefusal("");
    try {
      const answer = await work();
      setBook(queries, (known) => put(known, answer.body, answer.feed_seq));
    } catch (error) {
      setRefusal(error instanceof ApiError ? text.refusal(error) : String(error));
    }
    hurry();
  };
  const act = (row: Activation, action: Action) => attempt(() => api.act(row.id, action));
  const buy = (offer: Offer) => attempt(() => api.buy(offer));
  const older = async () => {
    const page = await api.activations(books(queries).next ?? undefined);
    setBook(queries, (known) => append(known, page));
  };

  const rows = book ? newestFirst(book) : [];
  const live = rows.filter(isLive);
  const past = rows.filter((row) => !isLive(row));
  const cards = (some: Activation[]) => some.map((row) => (
    <NumberCard key={row.id} {...{ row, api, act }} currency={held?.currency ?? ""} />
  ));
  return (
    <>
      <Header connection={connection} />
      <main id="signed-in">
        {refusal && (
          <div id="notice" role="alert">
            <span>{refusal}</span>
            <button type="button" className="quiet" aria-label={words.close} onClick={() => setRefusal("")}>×</button>
          </div>
        )}
        <div className="main-column">
          <section id="numbers-section" aria-labelledby="numbers-title">
            <h2 id="numbers-title">{words.numbers}</h2>
            <p id="announcement" className="unseen" aria-live="assertive">{announcement}</p>
            <ul className="numbers" id="numbers">{cards(live)}</ul>
            {!book ? <p className="hint">{words.loading}</p> : live.length === 0 && <p className="hint">{words.none}</p>}
          </section>
          {past.length > 0 && (
            <section id="history-section" aria-labelledby="history-title">
              <h2 id="history-title">{words.history}</h2>
              <ul className="numbers" id="history">{cards(past)}</ul>
              {book?.next && <Button className="quiet" press={older}>{words.older}</Button>}
            </section>
          )}
        </div>
        <div className="side">
          <WalletView wallet={held?.wallet} currency={held?.currency ?? ""} />
          <Buy {...{ api, buy }} />
        </div>
        <Options signOut={signOut} />
      </main>
    </>
  );
}

function Options({ signOut }: { signOut: (() => void) | undefined }) {
  const { words } = useText();
  const [sound, setSoundShown] = useState(soundIsOn);
  const [asks, setAsks] = useState(canAskToNotify);
  return (
    <footer aria-label={words.options}>
      <label>
        <input type="checkbox" checked={sound} onChange={(event) => {
          setSound(event.target.checked);
          setSoundShown(event.target.checked);
        }} /> {words.sound}
      </label>
      {asks && (
        <Button className="quiet" press={() => Notification.requestPermission().finally(() => setAsks(canAskToNotify()))}>
          {words.notifications}
        </Button>
      )}
      {signOut && <button type="button" className="quiet" onClick={signOut}>{words.signOut}</button>}
    </footer>
  );
}

const books = (queries: QueryClient): Book => queries.getQueryData<Book>(BOOK) ?? EMPTY;
const setBook = (queries: QueryClient, change: (known: Book) => Book): void =>
  void queries.setQueryData<Book>(BOOK, change(books(queries)));

function holdWallet(queries: QueryClient, wallet: Wallet, seq: number, currency?: string): void {
  const known = queries.getQueryData<Held>(WALLET);
  if (known && known.seq > seq) return;
  queries.setQueryData<Held>(WALLET, { wallet, seq, currency: currency ?? known?.currency ?? "" });
}

function apply(change: Change, queries: QueryClient): void {
  if (change.table !== "activations") return;
  if (change.record) setBook(queries, (known) => put(known, change.record as Activation, change.feed_seq));
  else setBook(queries, (known) => remove(known, (change.old_record as Activation).id));
}

/** Reads the list and the wallet. What happened to a known row since it was last seen is told, too. */
async function load(api: Api, queries: QueryClient, tell: (notice: Notice) => void): Promise<Position> {
  const [page, me] = await Promise.all([api.activations(), api.me()]);
  const before = books(queries);
  for (const row of page.items) {
    const known = before.entries.get(row.id);
    const notice = known && before.epoch === page.epoch && known.seq < page.feed_seq ? noticeOf(known.row, row) : null;
    if (notice) tell(notice);
  }
  setBook(queries, (known) => relist(known, page));
  const sameHistory = before.epoch === page.epoch;
  if (sameHistory) holdWallet(queries, me, me.feed_seq, me.currency);
  else queries.setQueryData<Held>(WALLET, { wallet: me, seq: me.feed_seq, currency: me.currency });
  return { since: page.feed_seq, epoch: page.epoch };
}
