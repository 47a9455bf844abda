import { Webhook } from "standardwebhooks";
import { WrongSignatureError } from "./errors.js";
import type { Event } from "./types.js";

/**
 * Return the event in a webhook. `secret` is that of the endpoint, `whsec_…`; `body` is the request's body exactly as
 * it was received. Throws `WrongSignatureError`.
 *
 * The same event may arrive more than once, with the same header `webhook-id`.
 */
export function verifyWebhook(
  body: string | Uint8Array,
  headers: Headers | Record<string, string | string[] | undefined>,
  secret: string,
): Event {
  const webhook = new Webhook(secret);
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  const entries = headers instanceof Headers ? [...headers] : Object.entries(headers).map(([name, value]) => [name, String(value)]);
  try {
    return webhook.verify(text, Object.fromEntries(entries)) as Event;
  } catch (error) {
    throw new WrongSignatureError(String(error), { cause: error });
  }
}
