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
        {waitsForSms(row) && row.expires_at && <TimeLeft until={row.expires_at} api={api} />}
        {!isLive(row) && <time className="when" dateTime={row.created_at}>{text.day(row.created_at)}</time>}
      </div>
      <Actions {...{ row, api, act }} />
    </li>
  );
}

function Actions({ row, api, act }: Omit<Given, "currency">) {
  const text = useText();
  const { words } = text;
  const possible = actionsFor(row);
  const early = possible.includes("cancel") && row.cancel_after !== null && Date.parse(row.cancel_after) > api.now_ms();
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

function TimeLeft({ until, api }: { until: string; api: Api }) {
  const { words } = useText();
  const [now_ms, setNow] = useState(() => api.now_ms());
  useEffect(() => {
    const tick = setInterval(() => setNow(api.now_ms()), 1_000);
    return () => clearInterval(tick);
  }, [api]);
  const left_ms = Date.parse(until) - now_ms;
  return <span className="left" role="timer">{left_ms > 0 ? `${minutes(left_ms)} ${words.left}` : words.over}</span>;
}
