// The TypeScript client: what it sends, what it sends again, and what it throws.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import { Meetlink, NotReadyError, ProblemError, UnavailableError, WrongSignatureError, verifyWebhook } from "../dist/index.js";

const SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ok = (body) => () => new Response(JSON.stringify(body));
const down = (code) => () => {
  throw Object.assign(new TypeError("fetch failed"), { cause: { code } });
};
const problem = (status, reason, headers = {}) => () =>
  new Response(JSON.stringify({ type: `urn:meetlink:problem:${reason}`, title: "x", status, detail: "Because." }), {
    status,
    headers: { "Content-Type": "application/problem+json", "X-Request-Id": "r-1", ...headers },
  });
const meeting = (state) => ok({ id: "b-1", meeting: { state, reason: null, detail: null } });

/** Replies in the given order, and remembers the requests and the pauses of the client. */
function server(...replies) {
  const requests = [];
  const pauses = [];
  const fetch = async (url, options) => {
    requests.push({ url: String(url), ...options });
    return replies[requests.length - 1]();
  };
  const sleep = async (seconds) => void pauses.push(seconds);
  return { client: new Meetlink({ url: "https://api.test/", key: "key-1", fetch, sleep }), requests, pauses };
}

test("a request carries the key, and an id with any character", async () => {
  const { client, requests } = server(ok({}));
  await client.putBooking("a/b c", {}, { waitSeconds: 5 });
  assert.equal(requests[0].url, "https://api.test/v1/bookings/a%2Fb%20c");
  assert.equal(requests[0].headers.Authorization, "Bearer key-1");
  assert.equal(requests[0].headers.Prefer, "wait=5");
});

const uncertain = {
  "a 503": problem(503, "unavailable"),
  "a 502 of a proxy": () => new Response("", { status: 502 }),
  "no response": down("ECONNRESET"),
};
for (const [name, failure] of Object.entries(uncertain)) {
  test(`what can be repeated is sent again after ${name}`, async () => {
    const { client, requests } = server(failure, ok({ id: "b-1" }));
    assert.equal((await client.cancelBooking("b-1")).id, "b-1");
    assert.equal(requests.length, 2);
  });
  test(`what may have been done and cannot be repeated is not sent again after ${name}`, async () => {
    const { client, requests } = server(failure);
    await assert.rejects(client.rotateEndpointSecret("e-1"), (e) => e instanceof ProblemError || e instanceof UnavailableError);
    assert.equal(requests.length, 1);
  });
}

const refused = {
  "a 429": problem(429, "too_many_requests"),
  "no connection": down("ECONNREFUSED"),
  "a race": problem(409, "changed_meanwhile"),
};
for (const [name, failure] of Object.entries(refused)) {
  test(`what was not done is always sent again after ${name}`, async () => {
    assert.equal((await server(failure, ok({ secret: SECRET })).client.rotateEndpointSecret("e-1")).secret, SECRET);
  });
}

test("a booking without an id is created once, however often it is sent", async () => {
  const { client, requests } = server(down("ECONNRESET"), ok({ id: "b-1" }));
  await client.createBooking({});
  assert.equal(requests[0].headers["Idempotency-Key"], requests[1].headers["Idempotency-Key"]);
});

test("the pause is what the API asks for, unless that is too long", async () => {
  const short = server(problem(429, "too_many_requests", { "Retry-After": "7" }), ok({}));
  await short.client.getMe();
  assert.deepEqual(short.pauses, [7]);
  const long = server(problem(429, "too_many_requests", { "Retry-After": "60" }));
  await assert.rejects(long.client.checkConnection("u-1"), { status: 429, reason: "too_many_requests", requestId: "r-1" });
});

test("pages are read as they are needed", async () => {
  const { client, requests } = server(
    ok({ items: [{ id: "b-1" }, { id: "b-2" }], next_cursor: "c2" }),
    ok({ items: [{ id: "b-3" }], next_cursor: null }),
  );
  const ids = [];
  for await (const { id } of client.listBookings({ startsFrom: "2031-01-01T00:00:00Z" })) {
    ids.push(id);
    if (id === "b-1") assert.equal(requests.length, 1);
  }
  assert.deepEqual(ids, ["b-1", "b-2", "b-3"]);
  assert.equal(requests[1].url, "https://api.test/v1/bookings?from=2031-01-01T00%3A00%3A00Z&cursor=c2");
});

test("waiting ends with the link, or when none comes", async () => {
  const ready = await server(meeting("pending"), meeting("waiting"), meeting("ready")).client.waitUntilReady("b-1");
  assert.equal(ready.meeting.state, "ready");
  for (const state of ["failed", "none", "removed"]) {
    await assert.rejects(server(meeting(state)).client.waitUntilReady("b-1"), NotReadyError);
  }
  await assert.rejects(server(meeting("waiting")).client.waitUntilReady("b-1", { timeoutSeconds: 0 }), NotReadyError);
});

test("only webhooks of the product are read", () => {
  const body = '{"type":"meeting.ready","data":{"booking_id":"b-1"}}';
  const now = new Date();
  const headers = {
    "Webhook-Id": "evt_1",
    "Webhook-Timestamp": String(Math.floor(now.getTime() / 1000)),
    "Webhook-Signature": new Webhook(SECRET).sign("evt_1", now, body),
  };
  assert.equal(verifyWebhook(new TextEncoder().encode(body), headers, SECRET).type, "meeting.ready");
  assert.equal(verifyWebhook(body, new Headers(headers), SECRET).data.booking_id, "b-1");
  for (const broken of [{ "Webhook-Signature": "v1,AAAA" }, { "Webhook-Signature": "x" }, { "Webhook-Timestamp": "1" }]) {
    assert.throws(() => verifyWebhook(body, { ...headers, ...broken }, SECRET), WrongSignatureError);
  }
});
