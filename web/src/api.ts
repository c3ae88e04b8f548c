// The service's HTTP API, as far as the page uses it. A refusal is an ApiError with the sentence and
// the code of its problem document; a service that cannot be reached is one with the code `unreachable`.

import type { Position } from "./feed/cursor";
import type { Activation, Change, Message, Offer, Wallet } from "./rows";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly problem: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
  }
}

export interface Answer<T> {
  body: T;
  /** The number of the user's feed that includes what was done; NaN on reads. */
  feed_seq: number;
}

export interface Me extends Wallet {
  user_id: string;
  currency: string;
  feed_seq: number;
  epoch: string;
}

export interface ActivationPage {
  items: Activation[];
  next: string | null;
  feed_seq: number;
  epoch: string;
}

interface OfferPage {
  items: Offer[];
  next: string | null;
}

export interface ChangePage {
  changes: Change[];
  feed_seq: number;
  epoch: string;
  more: boolean;
}

export type Action = "check" | "cancel" | "finish" | "another" | "recover";

/** The header has whole seconds: less than two tell nothing. */
const skew = (told_ms: number, now_ms: number): number => (Math.abs(told_ms - now_ms) < 2_000 ? 0 : told_ms - now_ms);

const MAX_OFFER_PAGES = 5;
const LIMIT_MS = 40_000;

export class Api {
  /** How far the server's clock is ahead of this machine's. */
  skew_ms = 0;

  constructor(
    private readonly getToken: () => Promise<string | null>,
    private readonly base = "",
    private readonly refused: (reason: string) => void = () => undefined,
  ) {}

  now_ms(): number {
    return Date.now() + this.skew_ms;
  }

  me = async (): Promise<Me> => (await this.ask<Me>("/v1/me")).body;

  activations = async (after?: string): Promise<ActivationPage> => {
    const from = after ? `&after=${encodeURIComponent(after)}` : "";
    return (await this.ask<ActivationPage>(`/v1/activations?limit=50${from}`)).body;
  };

  messages = async (id: string): Promise<Message[]> =>
    (await this.ask<{ messages: Message[] }>(`/v1/activations/${id}`)).body.messages;

  changes = async (cursor: Position): Promise<ChangePage> =>
    (await this.ask<ChangePage>(`/v1/changes?after=${cursor.since}&epoch=${cursor.epoch}`)).body;

  offers = async (): Promise<{ items: Offer[]; complete: boolean }> => {
    const items: Offer[] = [];
    let next: string | null = "";
    for (let page = 0; page < MAX_OFFER_PAGES && next !== null; page++) {
      const from: string = next ? `&after=${encodeURIComponent(next)}` : "";
      const { body } = await this.ask<OfferPage>(`/v1/offers?limit=1000${from}`);
      items.push(...body.items.filter((offer) => offer.stock > 0));
      next = body.next;
    }
    return { items, complete: next === null };
  };

  buy = (offer: Offer): Promise<Answer<Activation>> => {
    const { service_code, country_code, operator, price } = offer;
    return this.ask("/v1/activations", { service_code, country_code, operator, max_price: price }, 5);
  };

  act = (id: string, action: Action, wait_s = 5): Promise<Answer<Activation>> =>
    this.ask(`/v1/activations/${id}/${action}`, {}, wait_s);

  private async ask<T>(path: string, body?: object, wait_s = 0): Promise<Answer<T>> {
    const token = await this.getToken();
    const headers: Record<string, string> = { Authorization: `Bearer ${token ?? ""}` };
    if (body) Object.assign(headers, { "Content-Type": "application/json", Prefer: `wait=${wait_s}` });
    const answer = await this.fetched(path, {
      method: body ? "POST" : "GET",
      headers,
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    const told = Date.parse(answer.headers.get("Date") ?? "");
    if (told) this.skew_ms = skew(told, Date.now());
    if (!answer.ok) throw await this.problem(answer);
    const seq = answer.headers.get("Sonnette-Feed-Seq");
    return { body: (await answer.json()) as T, feed_seq: seq ? Number(seq) : NaN };
  }

  private async fetched(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(this.base + path, init);
    } catch {
      throw new ApiError(0, "unreachable", "The service cannot be reached.");
    }
  }

  private async problem(answer: Response): Promise<ApiError> {
    const body = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
    const detail = typeof body.detail === "string" ? body.detail : answer.statusText;
    const code = typeof body.code === "string" ? body.code : "unreachable";
    if (answer.status === 401) this.refused(detail);
    return new ApiError(answer.status, code, detail, body);
  }
}
