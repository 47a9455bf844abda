// A booking page on meetlink, in JavaScript: `node server.mjs`. README.md says what it needs.
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { Meetlink, ProblemError, UnavailableError } from "meetlink";

const PAGE = new URL("page/", import.meta.url);
const FILES = { "/page.css": "text/css", "/page.js": "text/javascript" };
const { PORT = "3000", HOST_NAME = "Demo Host", HOST_EMAIL = "host@example.com" } = process.env;
const SITE = process.env.SITE ?? `http://localhost:${PORT}`;
const CALENDAR = "introduction";
const USER = "host";
const FIELDS = ["starts_at", "name", "email", "time_zone", "language"];
const LONGEST_FORM = 10_000;
const MINUTE = 60_000;
const meetlink = new Meetlink(); // MEETLINK_URL and MEETLINK_KEY of the environment

/** Create the calendar. Before that, the host must connect a video account, once. */
async function openCalendar() {
  const host = { name: HOST_NAME, email: HOST_EMAIL };
  try {
    await meetlink.putCalendar(CALENDAR, { name: "Introduction", host: { user_id: USER, ...host }, location: { type: "video" } });
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const { url } = await meetlink.createConnectLink(USER, host);
    console.error(`${error.problem.detail}\nOpen ${url}, then start this again.`);
    process.exit(1);
  }
}

/** The starts that can be booked on the next six working days, from 8:00 to 16:00 UTC. */
async function freeSlots() {
  const midnight = new Date().setUTCHours(0, 0, 0, 0);
  const days = Array.from({ length: 9 }, (_, n) => midnight + (n + 1) * 24 * 60 * MINUTE);
  const working = days.filter((day) => ![0, 6].includes(new Date(day).getUTCDay())).slice(0, 6);
  const slots = working.flatMap((day) => Array.from({ length: 16 }, (_, n) => text(day + (16 + n) * 30 * MINUTE)));
  const taken = new Set();
  const filters = { calendarId: CALENDAR, status: "confirmed", startsFrom: slots[0] };
  for await (const booking of meetlink.listBookings(filters)) taken.add(booking.starts_at);
  return slots.filter((start) => !taken.has(start));
}

/** Book a slot. Anyone who has the link of a booking can cancel it, so its id cannot be guessed. */
async function book({ starts_at, name, email, time_zone, language }) {
  if (!(await freeSlots()).includes(starts_at)) {
    return [409, { error: "This time has just been taken. Please choose another one." }];
  }
  const id = randomUUID();
  const booking = await meetlink.putBooking(id, {
    calendar_id: CALENDAR,
    starts_at,
    ends_at: text(Date.parse(starts_at) + 30 * MINUTE),
    time_zone,
    title: `Introduction: ${name}`,
    guests: [{ name, email, language }],
    links: { cancel: `${SITE}/bookings/${id}` },
  });
  return [201, view(booking)];
}

/** What the page shows of a booking, and no more. */
function view({ id, status, starts_at, meeting: { state, detail, join_url } }) {
  return { id, status, starts_at, host: HOST_NAME, state, detail, join_url };
}

function text(milliseconds) {
  return new Date(milliseconds).toISOString().replace(".000Z", "Z");
}

/** The request is not the page's. */
class RefusedError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function readForm(request) {
  const length = request.headers["content-length"];
  if (length === undefined) throw new RefusedError(411, "The request needs a Content-Length.");
  if (Number(length) > LONGEST_FORM) throw new RefusedError(413, "The form is too long.");
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  const form = JSON.parse(body);
  if (!FIELDS.every((name) => typeof form?.[name] === "string")) throw new RefusedError(400, "The form is incomplete.");
  return form;
}

async function respondTo(request) {
  const { method, url } = request;
  const id = url.slice(url.lastIndexOf("/") + 1);
  if (url === "/api/slots") return [200, { host: HOST_NAME, slots: await freeSlots() }];
  if (method === "POST" && url === "/api/bookings") return book(await readForm(request));
  if (method === "DELETE") return [200, view(await meetlink.cancelBooking(id))];
  if (url.startsWith("/api/bookings/")) return [200, view(await meetlink.getBooking(id, { waitSeconds: 20 }))];
  const name = url in FILES ? url : "/index.html"; // The page shows the slots, or at /bookings/… one booking.
  return [200, await readFile(new URL(name.slice(1), PAGE)), FILES[name] ?? "text/html"];
}

function failure(error) {
  if (error instanceof ProblemError) return [error.status, { error: error.errors[0]?.detail ?? error.problem.detail }];
  if (error instanceof RefusedError) return [error.status, { error: error.message }];
  if (error instanceof SyntaxError) return [400, { error: "The form is incomplete." }];
  if (!(error instanceof UnavailableError)) console.error(error);
  return [503, { error: "Booking is not possible right now. Please try again in a minute." }];
}

const server = createServer(async (request, response) => {
  const [status, content, kind = "application/json"] = await respondTo(request).catch(failure);
  response.writeHead(status, { "Content-Type": `${kind}; charset=utf-8`, "Content-Security-Policy": "default-src 'self'" });
  response.end(Buffer.isBuffer(content) ? content : JSON.stringify(content));
});

await openCalendar();
server.listen(Number(PORT), "127.0.0.1", () => console.log(`The booking page is at http://localhost:${PORT}`));
