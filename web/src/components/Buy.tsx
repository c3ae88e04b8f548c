// What is on offer: searched by words, the cheapest of each service and country, bought by a click.

import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import type { Api } from "../api";
import { useText } from "../context";
import type { Offer } from "../rows";
import { Button } from "./Button";

const SHOWN = 6;
const FRESH_MS = 300_000; // a price that has changed since is refused by the service, not charged

export function Buy({ api, buy }: { api: Api; buy(offer: Offer): Promise<void> }) {
  const text = useText();
  const { words } = text;
  const [search, setSearch] = useState("");
  const { data, isPending } = useQuery({ queryKey: ["offers"], queryFn: api.offers, staleTime: FRESH_MS, refetchInterval: FRESH_MS });
  const named = useMemo(() => cheapest(data?.items ?? []).map((offer) => ({
    offer,
    service: text.service(offer.service_code),
    country: text.country(offer.country_code),
  })), [data, text]);
  const asked = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = named.filter(({ offer, service, country }) => {
    const all = `${service} ${country} ${offer.service_code} ${offer.country_code}`.toLowerCase();
    return asked.every((word) => all.includes(word));
  });
  return (
    <section id="buy" aria-labelledby="buy-title">
      <h2 id="buy-title">{words.buyTitle}</h2>
      <input
        type="search"
        aria-label={words.search}
        placeholder={words.search}
        value={search}
        onChange={(event) => setSearch(event.target.value)}
      />
      <ul className="offers" aria-busy={isPending}>
        {found.slice(0, SHOWN).map(({ offer, service, country }) => (
          <li key={`${offer.service_code} ${offer.country_code}`}>
            <span className="offered"><strong>{service}</strong> <span>{country}</span></span>
            <span className="stock">{offer.stock.toLocaleString(text.language)} {words.stock}</span>
            <span className="price">{offer.price} {offer.currency}</span>
            <Button className="buy" press={() => buy(offer)} aria-label={`${words.buy} ${service}, ${country}, ${offer.price} ${offer.currency}`}>
              {words.buy}
            </Button>
          </li>
        ))}
      </ul>
      {isPending ? <p className="hint">{words.loading}</p>
        : named.length === 0 ? <p className="hint">{words.noOffers}</p>
        : found.length === 0 ? <p className="hint">{words.noMatch}{data?.complete ? "" : ` ${words.incomplete}`}</p>
        : found.length > SHOWN ? <p className="hint">{words.moreOffers}</p> : null}
    </section>
  );
}

/** The offers come cheapest first within a service and a country. */
function cheapest(offers: readonly Offer[]): Offer[] {
  const first = new Map<string, Offer>();
  for (const offer of offers) {
    const key = `${offer.service_code} ${offer.country_code}`;
    if (!first.has(key)) first.set(key, offer);
  }
  return [...first.values()];
}
