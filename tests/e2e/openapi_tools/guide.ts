// The callers' guide with a client that is typed by openapi-typescript.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { env: Record<string, string> };
const api = createClient<paths>({
  baseUrl: process.env.MEETLINK_URL!,
  headers: { Authorization: `Bearer ${process.env.MEETLINK_KEY}` },
});

function expect<T>({ data, error }: { data?: T; error?: components["schemas"]["Problem"] }): T {
  if (data === undefined) throw new Error(error?.detail);
  return data;
}

const user_id = process.env.GUIDE_USER!;
const calendar_id = "c-typescript";
const booking_id = "b-typescript";
const body: components["schemas"]["BookingBody"] = {
  calendar_id,
  starts_at: "2031-02-08T15:00:00Z",
  ends_at: "2031-02-08T15:30:00Z",
  time_zone: "Europe/Berlin",
  guests: [{ name: "Demo Guest", email: "guest@example.com" }],
  metadata: { order: { lines: [1, "two", null] } },
};

const connection = expect(await api.GET("/v1/users/{user_id}/connection", { params: { path: { user_id } } }));
const state: "none" | "pending" | "connected" | "broken" = connection.state;
const host = { user_id, name: "Demo Host", email: "host@example.com" };
const calendar = { name: "Introduction", host, location: { type: "video" as const } };
expect(await api.PUT("/v1/calendars/{calendar_id}", { params: { path: { calendar_id } }, body: calendar }));
const params = { path: { booking_id }, header: { Prefer: "wait=20" } };
const booked = expect(await api.PUT("/v1/bookings/{booking_id}", { params, body }));
const later = { ...body, starts_at: "2031-02-09T15:00:00Z", ends_at: "2031-02-09T15:30:00Z" };
const moved = expect(await api.PUT("/v1/bookings/{booking_id}", { params, body: later }));
const query = { meeting_state: "ready", limit: 100, from: "2031-02-01T00:00:00Z" };
const listed = expect(await api.GET("/v1/bookings", { params: { query } }));
const cancelled = expect(await api.DELETE("/v1/bookings/{booking_id}", { params: { path: { booking_id } } }));
const missing = await api.GET("/v1/bookings/{booking_id}", { params: { path: { booking_id: "b-missing" } } });

console.log(
  JSON.stringify({
    connection: state,
    booked: booked.meeting.state,
    same_link: moved.meeting.join_url === booked.meeting.join_url,
    metadata: moved.metadata,
    listed: listed.items.some((item) => item.id === booking_id),
    cancelled: cancelled.status,
    missing: missing.error?.type,
  }),
);
