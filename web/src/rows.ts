// The rows and answers of the service, as they come over HTTP and over the socket.
// Money is a string over HTTP and a number over the socket: `amount` reads both.

export type Status =
  | "requested" | "pending" | "received" | "completed"
  | "cancelling" | "cancelled" | "timeout" | "failed";

export interface Activation {
  id: string;
  user_id: string;
  provider: string;
  order_id: string | null;
  service_code: string;
  country_code: string;
  operator: string | null;
  phone: string | null;
  status: Status;
  sms_code: string | null;
  sms_text: string | null;
  sms_count: number;
  sms_received_at: string | null;
  price: string | number;
  charged: boolean;
  cancel_after: string | null;
  expires_at: string | null;
  failure: string | null;
  created_at: string;
}

export interface Message {
  id: number;
  received_at: string;
  sender: string | null;
  code: string | null;
  text: string | null;
}

export interface Wallet {
  balance: string | number;
  frozen: string | number;
}

export interface Offer {
  provider: string;
  service_code: string;
  country_code: string;
  operator: string;
  price: string;
  currency: string;
  stock: number;
}

export interface Change {
  feed_seq: number;
  /** The number before it on this binding; over HTTP the feed is dense, and it is left out. */
  feed_prev?: number;
  table: string;
  record: unknown;
  old_record: unknown;
}

export const amount = (money: string | number): number => Number(money);
export const twoDecimals = (money: string | number): string => amount(money).toFixed(2);

const LIVE: ReadonlySet<Status> = new Set(["requested", "pending", "received", "cancelling"]);
export const isLive = (row: Activation): boolean => LIVE.has(row.status);
export const waitsForSms = (row: Activation): boolean => row.status === "pending";
/** Providers write numbers with and without the plus. */
export const phoneOf = (row: Activation): string => (row.phone ? `+${row.phone.replace(/^\+/, "")}` : "");
