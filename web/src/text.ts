// What the page says, in French or English as the browser is set. The French toasts are those that
// its users knew; the console's lines (src/hooks/useRealtimeSms.ts) are the same in both.

import type { ApiError } from "./api";
import type { Connection } from "./feed/feed";
import type { Notice } from "./feed/notice";
import { phoneOf, type Activation } from "./rows";

export type Language = "fr" | "en";

export const languageOf = (wanted: string): Language => (wanted.toLowerCase().startsWith("fr") ? "fr" : "en");

const EN = {
  connection: { live: "Live", "catching-up": "Catching up", polling: "Polling", offline: "Offline, trying again" },
  connectionHint: {
    live: "Changes come the moment they happen.",
    "catching-up": "Reading what was missed.",
    polling: "No live connection: the page asks every few seconds.",
    offline: "The service cannot be reached. What you see may be old.",
  },
  signedOut: "Signed out", signOut: "Sign out",
  signIn: "Open the link that you were given: it signs this page in. With “sonnette run” it is the line that begins with “open”.",
  wallet: "Wallet", available: "Available", frozen: "Frozen", balance: "Balance",
  buyTitle: "Buy a number", search: "Search for a service or a country", price: "Price", stock: "in stock",
  buy: "Buy", noOffers: "Nothing on offer.", noMatch: "No offer matches.",
  moreOffers: "More offers match. Type more to find them.", incomplete: "The list is longer than this page reads.",
  numbers: "Your numbers", history: "History", none: "None yet. Buy one, and its code appears here the moment it arrives.",
  older: "Show older", loading: "Loading…", noNumber: "No number yet", all: "Every SMS",
  copy: "Copy", copied: "Copied", copyCode: "Copy the code", copyPhone: "Copy the number",
  check: "Check now", recover: "Recover", another: "Another SMS", finish: "Finish", cancel: "Cancel",
  sound: "Sound", notifications: "Browser notifications", close: "Close", options: "Options",
  left: "left", over: "time is up", from: "from",
};
type Words = typeof EN;

const FR: Words = {
  connection: { live: "En direct", "catching-up": "Rattrapage", polling: "Interrogation", offline: "Hors ligne, nouvel essai" },
  connectionHint: {
    live: "Les changements arrivent à l'instant où ils se produisent.",
    "catching-up": "Lecture de ce qui a été manqué.",
    polling: "Pas de connexion en direct : la page interroge toutes les quelques secondes.",
    offline: "Le service est injoignable. Ce qui est affiché peut être ancien.",
  },
  signedOut: "Déconnecté", signOut: "Se déconnecter",
  signIn: "Ouvrez le lien que vous avez reçu : il connecte cette page. Avec « sonnette run », c'est la ligne qui commence par « open ».",
  wallet: "Portefeuille", available: "Disponible", frozen: "Gelé", balance: "Solde",
  buyTitle: "Acheter un numéro", search: "Chercher un service ou un pays", price: "Prix", stock: "en stock",
  buy: "Acheter", noOffers: "Aucune offre.", noMatch: "Aucune offre ne correspond.",
  moreOffers: "D'autres offres correspondent. Précisez la recherche.", incomplete: "La liste est plus longue que ce que cette page lit.",
  numbers: "Vos numéros", history: "Historique", none: "Aucun pour l'instant. Achetez-en un : son code apparaît ici dès son arrivée.",
  older: "Afficher plus ancien", loading: "Chargement…", noNumber: "Pas encore de numéro", all: "Tous les SMS",
  copy: "Copier", copied: "Copié", copyCode: "Copier le code", copyPhone: "Copier le numéro",
  check: "Vérifier", recover: "Récupérer", another: "Autre SMS", finish: "Terminer", cancel: "Annuler",
  sound: "Son", notifications: "Notifications du navigateur", close: "Fermer", options: "Options",
  left: "restantes", over: "délai écoulé", from: "à partir de",
};

const REFUSED_FR: Readonly<Record<string, string>> = {
  unreachable: "Le service est injoignable.",
  unavailable: "Le service est momentanément indisponible.",
  no_numbers: "Plus de numéros pour cette offre.",
  price_changed: "Le prix a changé.",
  provider_error: "Le fournisseur a refusé ou n'a pas répondu.",
  too_early: "Le fournisseur n'annule pas un numéro si tôt.",
  cancel_refused: "Le fournisseur a refusé l'annulation.",
  another_refused: "Le fournisseur n'attend pas d'autre SMS.",
  state_forbids: "L'état de ce numéro ne le permet pas.",
  too_many_requests: "Trop de requêtes : attendez un instant.",
  token_refused: "La session est terminée.",
};

const SERVICES: Readonly<Record<string, string>> = {
  wa: "WhatsApp", tg: "Telegram", go: "Google", fb: "Facebook", ig: "Instagram", vi: "Viber", tw: "X", ds: "Discord",
  am: "Amazon", wb: "WeChat", lf: "TikTok", mm: "Microsoft", ub: "Uber", oi: "Tinder", fu: "Snapchat", ts: "PayPal",
};

// The numbers that the handler_api family gives to countries.
const COUNTRIES: Readonly<Record<string, string>> = {
  0: "RU", 1: "UA", 2: "KZ", 3: "CN", 4: "PH", 5: "MM", 6: "ID", 7: "MY", 8: "KE", 10: "VN", 12: "US", 13: "IL",
  15: "PL", 16: "GB", 19: "NG", 21: "EG", 22: "IN", 24: "KH", 31: "ZA", 32: "RO", 33: "CO", 36: "CA", 37: "MA",
  39: "AR", 43: "DE", 46: "SE", 48: "NL", 52: "TH", 54: "MX", 56: "ES", 62: "TR", 73: "BR", 78: "FR", 86: "IT", 187: "US",
};

export class Text {
  readonly words: Words;
  private readonly countries: Intl.DisplayNames;

  constructor(readonly language: Language) {
    this.words = language === "fr" ? FR : EN;
    this.countries = new Intl.DisplayNames([language], { type: "region" });
  }

  service = (code: string): string => SERVICES[code] ?? code;

  country = (code: string): string => {
    const region = COUNTRIES[code];
    return (region && this.countries.of(region)) ?? code;
  };

  connection = (state: Connection): string => this.words.connection[state];

  clock = (time: string): string =>
    new Date(time).toLocaleTimeString(this.language, { hour: "2-digit", minute: "2-digit" });

  day = (time: string): string =>
    new Date(time).toLocaleString(this.language, { dateStyle: "medium", timeStyle: "short" });

  /** A toast's title and its line. */
  toast({ kind, row }: Notice): [string, string] {
    const phone = phoneOf(row);
    const code = row.sms_code ?? row.sms_text ?? "";
    if (this.language === "fr") {
      return {
        received: ["SMS reçu !", `Code: ${code} - ${phone}`],
        timeout: ["Activation expirée", `${phone} - Aucun SMS reçu, fonds remboursés`],
        cancelled: ["Annulé", `${phone} - Activation annulée`],
        failed: ["Échec", `${phone || this.service(row.service_code)} - Achat échoué, fonds remboursés`],
      }[kind] as [string, string];
    }
    return {
      received: ["SMS received!", `Code: ${code} - ${phone}`],
      timeout: ["Activation expired", `${phone} - No SMS came, your money is back`],
      cancelled: ["Cancelled", `${phone} - Activation cancelled`],
      failed: ["Failed", `${phone || this.service(row.service_code)} - The purchase failed, your money is back`],
    }[kind] as [string, string];
  }

  status(row: Activation): string {
    const at = row.sms_received_at ? this.clock(row.sms_received_at) : "";
    const count = row.sms_count > 1 ? `, SMS ${row.sms_count}` : "";
    const why = row.failure ? ` (${row.failure})` : "";
    if (this.language === "fr") {
      return {
        requested: "Recherche d'un numéro",
        pending: row.charged ? "En attente d'un autre SMS" : "En attente du SMS",
        received: `Reçu à ${at}${count}`,
        completed: "Terminé",
        cancelling: "Annulation en cours",
        cancelled: "Annulé, fonds remboursés",
        timeout: "Aucun SMS reçu, fonds remboursés",
        failed: `Échec${why}, fonds remboursés`,
      }[row.status];
    }
    return {
      requested: "Getting a number",
      pending: row.charged ? "Waiting for another SMS" : "Waiting for the SMS",
      received: `Received at ${at}${count}`,
      completed: "Completed",
      cancelling: "Cancelling",
      cancelled: "Cancelled, your money is back",
      timeout: "No SMS came, your money is back",
      failed: `Failed${why}, your money is back`,
    }[row.status];
  }

  announcement = (row: Activation): string =>
    this.language === "fr"
      ? `Code ${row.sms_code ?? row.sms_text} pour ${row.phone}`
      : `Code ${row.sms_code ?? row.sms_text} for ${row.phone}`;

  /** A refusal, in the service's own words where the page has none. */
  refusal(error: ApiError): string {
    const at = typeof error.problem.cancel_after === "string" ? error.problem.cancel_after : null;
    const from = at ? ` (${this.words.from} ${this.clock(at)})` : "";
    if (this.language === "en") return error.message.charAt(0).toUpperCase() + error.message.slice(1) + from;
    if (error.code === "not_enough_money") {
      return `Solde insuffisant : ${error.problem.needed} nécessaires, ${error.problem.available} disponibles.`;
    }
    return (REFUSED_FR[error.code] ?? error.message) + from;
  }
}

/** 0:59, 12:03; nothing below zero. */
export function minutes(left_ms: number): string {
  const seconds = Math.max(0, Math.ceil(left_ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
