import { NotReadyError } from "./errors.js";
import { type Options, type Query, type Request, Session } from "./session.js";
import type * as types from "./types.js";
import { VERSION } from "./version.js";

const LONGEST_WAIT_SECONDS = 20;
const POLL_SECONDS = 2;

type Waiting = {
  /** Wait for the link, at most 20 seconds. */
  waitSeconds?: number;
};

export type BookingFilters = {
  meetingState?: string;
  reason?: types.MeetingReason;
  status?: types.BookingStatus;
  userId?: string;
  calendarId?: string;
  guestEmail?: string;
  startsFrom?: string;
  startsBefore?: string;
};

export type DeliveryFilters = { state?: types.DeliveryState; type?: types.EventType; since?: string; until?: string };

/**
 * A client of one workspace: every call of the API as a method.
 *
 * Every method throws `MeetlinkError`. Failures that pass are retried, if that repeats nothing.
 */
export class Meetlink {
  readonly #session: Session;

  constructor(options: Options = {}) {
    this.#session = new Session(options, VERSION);
  }

  /** What the API key belongs to. */
  getMe(): Promise<types.Identity> {
    return this.#json("GET", "/v1/me");
  }

  // Connections

  /** Create a link that opens the settings page for a user. It works once, for ten minutes. */
  createConnectLink(userId: string, body: types.ConnectLinkBody = {}): Promise<types.ConnectLink> {
    return this.#json("POST", `${user(userId)}/connect-links`, { body, repeatable: true });
  }

  /** The state of a user's connection. */
  getConnection(userId: string): Promise<types.Connection> {
    return this.#json("GET", `${user(userId)}/connection`);
  }

  /** The connections in order of user id. */
  listConnections(filters: { state?: types.ConnectionState; provider?: string } = {}): AsyncGenerator<types.Connection> {
    return this.#items("/v1/connections", filters);
  }

  /** Try everything that a booking needs, with a test meeting. At most once a minute per account. */
  checkConnection(userId: string): Promise<types.Check> {
    return this.#json("POST", `${user(userId)}/connection/check`);
  }

  /** Confirm that the connected account belongs to the user. */
  confirmConnection(userId: string, accountId: string): Promise<types.Connection> {
    const body: types.ConfirmBody = { account_id: accountId };
    return this.#json("POST", `${user(userId)}/connection/confirm`, { body, repeatable: true });
  }

  /** The upcoming meetings that could no longer be changed. */
  previewDisconnect(userId: string): Promise<types.DisconnectPreview> {
    return this.#json("DELETE", `${user(userId)}/connection`, { query: { dry_run: true } });
  }

  /** End a user's connection. Links stay valid, unless the upcoming meetings are deleted first. */
  async disconnect(userId: string, options: { deleteMeetings?: boolean } = {}): Promise<void> {
    const meetings = options.deleteMeetings ? "delete" : "keep";
    await this.#send("DELETE", `${user(userId)}/connection`, { query: { meetings } });
  }

  /** Sign a user out of the settings page. */
  async endSessions(userId: string): Promise<void> {
    await this.#send("DELETE", `${user(userId)}/sessions`);
  }

  /** Every video provider. */
  listProviders(): AsyncGenerator<types.Provider> {
    return this.#items("/v1/providers");
  }

  // Calendars

  /** Create or replace a calendar. */
  putCalendar(calendarId: string, body: types.CalendarBody): Promise<types.Calendar> {
    return this.#json("PUT", calendar(calendarId), { body });
  }

  getCalendar(calendarId: string): Promise<types.Calendar> {
    return this.#json("GET", calendar(calendarId));
  }

  /** The calendars in order of id. */
  listCalendars(): AsyncGenerator<types.Calendar> {
    return this.#items("/v1/calendars");
  }

  /** Delete a calendar. Its bookings do not change. */
  async deleteCalendar(calendarId: string): Promise<void> {
    await this.#send("DELETE", calendar(calendarId));
  }

  /** Each meeting location of a calendar, and whether it can be chosen. */
  getLocations(calendarId: string): Promise<types.Locations> {
    return this.#json("GET", `${calendar(calendarId)}/locations`);
  }

  // Bookings

  /** Create or change a booking. */
  putBooking(bookingId: string, body: types.BookingBody, options: Waiting = {}): Promise<types.Booking> {
    return this.#json("PUT", booking(bookingId), { body, headers: prefer(options) });
  }

  /** Create a booking with a generated id. The same `idempotencyKey` again returns the same booking. */
  createBooking(body: types.BookingBody, options: Waiting & { idempotencyKey?: string } = {}): Promise<types.Booking> {
    const headers = { "Idempotency-Key": options.idempotencyKey ?? crypto.randomUUID(), ...prefer(options) };
    return this.#json("POST", "/v1/bookings", { body, headers, repeatable: true });
  }

  getBooking(bookingId: string, options: Waiting = {}): Promise<types.Booking> {
    return this.#json("GET", booking(bookingId), { headers: prefer(options) });
  }

  /** The bookings in order of start. `meetingState` is one or several states, separated by commas. */
  listBookings(filters: BookingFilters = {}): AsyncGenerator<types.Booking> {
    const { meetingState, userId, calendarId, guestEmail, startsFrom, startsBefore, ...same } = filters;
    return this.#items("/v1/bookings", {
      ...same,
      meeting_state: meetingState,
      user_id: userId,
      calendar_id: calendarId,
      guest_email: guestEmail,
      from: startsFrom,
      to: startsBefore,
    });
  }

  /** Cancel a booking: its meeting is removed, and everyone is notified. */
  cancelBooking(bookingId: string): Promise<types.Booking> {
    return this.#json("DELETE", booking(bookingId));
  }

  /** Create the link of a failed or waiting booking now. */
  retryBooking(bookingId: string, options: Waiting = {}): Promise<types.Booking> {
    return this.#json("POST", `${booking(bookingId)}/retry`, { headers: prefer(options), repeatable: true });
  }

  /** The calendar file of the host, or of the person with this address. */
  getInvite(bookingId: string, options: { email?: string } = {}): Promise<string> {
    return this.#send("GET", `${booking(bookingId)}/invite.ics`, { query: { for: options.email } });
  }

  /** A booking, as soon as it has its link. Throws `NotReadyError` if it gets none, or not in time. */
  async waitUntilReady(bookingId: string, options: { timeoutSeconds?: number } = {}): Promise<types.Booking> {
    const ends = performance.now() + (options.timeoutSeconds ?? 60) * 1000;
    const left = () => Math.max(0, (ends - performance.now()) / 1000);
    for (;;) {
      const current = await this.getBooking(bookingId, { waitSeconds: Math.min(LONGEST_WAIT_SECONDS, Math.floor(left())) });
      const { state } = current.meeting;
      if (state === "ready") return current;
      if ((state !== "pending" && state !== "waiting") || left() === 0) throw new NotReadyError(current);
      await this.#session.sleep(Math.min(POLL_SECONDS, left()));
    }
  }

  // Webhook endpoints

  /** Create or change a webhook endpoint. Only the first response has the `secret`: store it. */
  putEndpoint(endpointId: string, body: types.EndpointBody): Promise<types.WebhookEndpoint> {
    return this.#json("PUT", endpoint(endpointId), { body });
  }

  getEndpoint(endpointId: string): Promise<types.WebhookEndpoint> {
    return this.#json("GET", endpoint(endpointId));
  }

  listEndpoints(): AsyncGenerator<types.WebhookEndpoint> {
    return this.#items("/v1/webhook-endpoints");
  }

  async deleteEndpoint(endpointId: string): Promise<void> {
    await this.#send("DELETE", endpoint(endpointId));
  }

  /** Create a new `secret`. For one day, events are also signed with the previous one. */
  rotateEndpointSecret(endpointId: string): Promise<types.WebhookEndpoint> {
    return this.#json("POST", `${endpoint(endpointId)}/rotate-secret`);
  }

  /** Send a test event now, and return its result. */
  testEndpoint(endpointId: string): Promise<types.WebhookDelivery> {
    return this.#json("POST", `${endpoint(endpointId)}/test`, { repeatable: true });
  }

  /** The deliveries to an endpoint, newest first. */
  listDeliveries(endpointId: string, filters: DeliveryFilters = {}): AsyncGenerator<types.WebhookDelivery> {
    return this.#items(`${endpoint(endpointId)}/deliveries`, times(filters));
  }

  getDelivery(endpointId: string, deliveryId: string): Promise<types.WebhookDelivery> {
    return this.#json("GET", `${endpoint(endpointId)}/deliveries/${part(deliveryId)}`);
  }

  /** Send an event again. */
  resendDelivery(endpointId: string, deliveryId: string): Promise<types.WebhookDelivery> {
    return this.#json("POST", `${endpoint(endpointId)}/deliveries/${part(deliveryId)}/resend`, { repeatable: true });
  }

  /** Send failed events again, and return how many. */
  async resendFailed(endpointId: string, filters: Omit<DeliveryFilters, "state"> = {}): Promise<number> {
    let resent = 0;
    const pages = this.#pages<types.ResentDeliveries>("POST", `${endpoint(endpointId)}/resend-failed`, times(filters));
    for await (const page of pages) resent += page.resent;
    return resent;
  }

  // Webhook secrets

  /** Create a secret for your booking system to sign with, or store its own. */
  createWebhookSecret(body: types.SecretBody = {}): Promise<types.WebhookSecret> {
    return this.#json("POST", "/v1/webhook-secrets", { body });
  }

  listWebhookSecrets(): AsyncGenerator<types.WebhookSecret> {
    return this.#items("/v1/webhook-secrets");
  }

  async deleteWebhookSecret(secretId: string): Promise<void> {
    await this.#send("DELETE", `/v1/webhook-secrets/${part(secretId)}`);
  }

  // Members

  /** Set who may open the workspace's own pages. Members who are left out are removed. */
  putMembers(members: types.MemberBody[]): Promise<types.MemberPage> {
    return this.#json("PUT", "/v1/members", { body: { members } });
  }

  /** Who may open the workspace's own pages. */
  listMembers(): AsyncGenerator<types.Member> {
    return this.#items("/v1/members");
  }

  /** Create a link that opens the workspace's own pages for a person. It works once, for ten minutes. */
  createWorkspaceLink(body: types.WorkspaceLinkBody): Promise<types.WorkspaceLink> {
    return this.#json("POST", "/v1/workspace-links", { body, repeatable: true });
  }

  // HTTP

  async *#items<Item>(path: string, query: Query = {}): AsyncGenerator<Item> {
    for await (const page of this.#pages<{ items: Item[]; next_cursor: string | null }>("GET", path, query)) yield* page.items;
  }

  async *#pages<Page extends { next_cursor: string | null }>(method: "GET" | "POST", path: string, query: Query): AsyncGenerator<Page> {
    let cursor: string | null = null;
    do {
      const page: Page = await this.#json<Page>(method, path, { query: { ...query, cursor }, repeatable: true });
      yield page;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  async #json<Value>(method: Request["method"], path: string, options: Omit<Request, "method" | "path"> = {}): Promise<Value> {
    return JSON.parse(await this.#send(method, path, options)) as Value;
  }

  #send(method: Request["method"], path: string, options: Omit<Request, "method" | "path"> = {}): Promise<string> {
    return this.#session.send({ method, path, ...options });
  }
}

const part = encodeURIComponent;
const user = (id: string) => `/v1/users/${part(id)}`;
const calendar = (id: string) => `/v1/calendars/${part(id)}`;
const booking = (id: string) => `/v1/bookings/${part(id)}`;
const endpoint = (id: string) => `/v1/webhook-endpoints/${part(id)}`;

function prefer({ waitSeconds }: Waiting): Record<string, string> {
  return waitSeconds ? { Prefer: `wait=${waitSeconds}` } : {};
}

function times({ since, until, ...same }: DeliveryFilters): Query {
  return { ...same, from: since, to: until };
}
