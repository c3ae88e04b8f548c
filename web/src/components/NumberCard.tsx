// One number: its code as the largest thing, the full text, every SMS, and what can be done with it.
// A code stays until its number leaves the list.

import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import type { Action, Api } from "../api";
import { useText } from "../context";
import { isLive, phoneOf, twoDecimals, waitsForSms, type Activation } from "../rows";
import { minutes } from "../text";
import { Button } from "./Button";
import { Copy } from "./Copy";

interface Given {
  row: Activation;
  currency: string;
  api: Api;
  act(row: Activation, action: Action): Promise<void>;
}

export function NumberCard({ row, currency, api, act }: Given) {
  const text = useText();
  const { words } = text;
  const phone = phoneOf(row);
  const now_ms = useNow(api, waitsForSms(row));
  return (
    <li className="number" data-status={row.status} data-id={row.id}>
      <div className="what">
        <strong className="phone">{phone || words.noNumber}</strong>
        {phone && isLive(row) && <Copy value={phone} label={`${words.copyPhone} ${phone}`} />}
        <span className="offer">
          {text.service(row.service_code)}, {text.country(row.country_code)}, {twoDecimals(row.price)} {currency}
        </span>
      </div>
      {row.sms_code && (
        <div className="received">
          <p className="code">{row.sms_code}</p>
          <Copy value={row.sms_code} label={`${words.copyCode} ${row.sms_code}`} />
        </div>
      )}
      {row.sms_text && <p className="text">{row.sms_text}</p>}
      {row.sms_count > 1 && <EverySms row={row} api={api} />}
      <div className="state">
        <span className="status">{text.status(row)}</span>
        {waitsForSms(row) && row.expires_at && <TimeLeft left_ms={Date.parse(row.expires_at) - now_ms} />}
        {!isLive(row) && <time className="when" dateTime={row.created_at}>{text.day(row.created_at)}</time>}
      </div>
      <Actions {...{ row, now_ms, act }} />
    </li>
  );
}

function Actions({ row, now_ms, act }: Pick<Given, "row" | "act"> & { now_ms: number }) {
  const text = useText();
  const { words } = text;
  const possible = actionsFor(row);
  const early = possible.includes("cancel") && row.cancel_after !== null && Date.parse(row.cancel_after) > now_ms;
  if (possible.length === 0) return null;
  return (
    <div className="actions">
      {possible.map((action) => (
        <Button key={action} className={action} press={() => act(row, action)} aria-label={`${words[action]} ${phoneOf(row)}`}>
          {words[action]}{action === "cancel" && early && row.cancel_after ? ` (${words.from} ${text.clock(row.cancel_after)})` : ""}
        </Button>
      ))}
    </div>
  );
}

/** What the service allows in each state; an offer that can only be refused is none. */
export function actionsFor(row: Activation): Action[] {
  if (row.status === "pending") return row.charged ? ["check", "recover", "finish"] : ["check", "recover", "cancel"];
  if (row.status === "received") return ["another", "recover", "finish"];
  const over = row.status === "timeout" || row.status === "cancelled" || row.status === "completed";
  return over && row.order_id ? ["recover"] : [];
}

function EverySms({ row, api }: { row: Activation; api: Api }) {
  const text = useText();
  const { data } = useQuery({
    queryKey: ["messages", row.id, row.sms_count],
    queryFn: () => api.messages(row.id),
    staleTime: Infinity,
    placeholderData: (before) => before,
  });
  return (
    <ol className="messages" aria-label={text.words.all}>
      {data?.map((message) => (
        <li key={message.id}>
          <time dateTime={message.received_at}>{text.clock(message.received_at)}</time>{" "}
          <strong>{message.code}</strong> {message.text}
        </li>
      ))}
    </ol>
  );
}

function TimeLeft({ left_ms }: { left_ms: number }) {
  const { words } = useText();
  return <span className="left" role="timer">{left_ms > 0 ? `${minutes(left_ms)} ${words.left}` : words.over}</span>;
}

/** The server's time, each second while `ticking`. */
function useNow(api: Api, ticking: boolean): number {
  const [now_ms, setNow] = useState(() => api.now_ms());
  useEffect(() => {
    if (!ticking) return undefined;
    setNow(api.now_ms());
    const tick = setInterval(() => setNow(api.now_ms()), 1_000);
    return () => clearInterval(tick);
  }, [api, ticking]);
  return now_ms;
}
