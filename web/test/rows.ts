// An activation for tests, with what matters to each changed.

import type { Activation } from "../src/rows";

export const activation = (changes: Partial<Activation> = {}): Activation => ({
  id: "a", user_id: "u", provider: "simulator", order_id: "7", service_code: "wa", country_code: "6", operator: null,
  phone: "628001", status: "pending", sms_code: null, sms_text: null, sms_count: 0, sms_received_at: null,
  price: "0.50", charged: false, cancel_after: null, expires_at: null, failure: null,
  created_at: "2026-01-01T00:00:00Z", ...changes,
});

export const received = (changes: Partial<Activation> = {}): Activation =>
  activation({ status: "received", sms_code: "358042", sms_text: "Your code is 358042", sms_count: 1, charged: true, ...changes });
