import { expect, test } from "vitest";

import { ApiError } from "../src/api";
import { languageOf, minutes, Text } from "../src/text";
import { activation, received } from "./rows";

test("French for those whose browser is French, English for all others", () => {
  expect(["fr", "fr-CA", "FR", "en-US", "de"].map(languageOf)).toEqual(["fr", "fr", "fr", "en", "en"]);
});

test("the French toasts are word for word those that its users knew", () => {
  const text = new Text("fr");
  const toast = (kind: "received" | "timeout" | "cancelled", row = activation()) => text.toast({ key: "", kind, row });
  expect(toast("received", received())).toEqual(["SMS reçu !", "Code: 358042 - +628001"]);
  expect(toast("timeout")).toEqual(["Activation expirée", "+628001 - Aucun SMS reçu, fonds remboursés"]);
  expect(toast("cancelled")).toEqual(["Annulé", "+628001 - Activation annulée"]);
});

test("an SMS without a code is shown by its text, and nothing is made up", () => {
  const [, line] = new Text("en").toast({ key: "", kind: "received", row: received({ sms_code: null }) });
  expect(line).toBe("Code: Your code is 358042 - +628001");
});

test("a refusal says from when a cancel is possible", () => {
  const error = new ApiError(409, "too_early", "the provider does not cancel a number this soon", {
    cancel_after: "2026-01-01T10:02:00Z",
  });
  expect(new Text("en").refusal(error)).toMatch(/^The provider does not cancel a number this soon \(from .*02/);
  expect(new Text("fr").refusal(error)).toMatch(/^Le fournisseur n'annule pas un numéro si tôt\. \(à partir de .*02/);
});

test("both languages have every word", () => {
  const [fr, en] = [new Text("fr").words, new Text("en").words];
  expect(Object.keys(fr)).toEqual(Object.keys(en));
});

test.each([[0, "0:00"], [-5_000, "0:00"], [59_001, "1:00"], [61_000, "1:01"], [1_200_000, "20:00"]])(
  "%d ms left is %s", (left_ms, shown) => expect(minutes(left_ms)).toBe(shown),
);

test("countries and services have names where they are known", () => {
  const text = new Text("fr");
  expect([text.service("wa"), text.service("zz"), text.country("6"), text.country("indonesia")])
    .toEqual(["WhatsApp", "zz", "Indonésie", "indonesia"]);
});
