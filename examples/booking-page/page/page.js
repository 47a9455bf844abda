const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const language = navigator.language;
const $ = (id) => document.getElementById(id);
const english = language.startsWith("en") ? language : "en-GB"; // The page speaks English, whatever the guest speaks.
const format = (start, options) => new Date(start).toLocaleString(english, { timeZone: zone, ...options });
const time = (start) => format(start, { hour: "2-digit", minute: "2-digit" });
const moment = (start) => `${format(start, { weekday: "long", day: "numeric", month: "long" })}, ${time(start)}`;

async function call(method, path, body) {
  const response = await fetch(path, { method, body: body && JSON.stringify(body) });
  const result = await response.json();
  if (!response.ok) throw new Error(result.error);
  return result;
}

/** Run what a person asked for, and show what went wrong. */
async function attempt(action) {
  $("problem").hidden = true;
  try {
    await action();
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
  }
}

function button(label, small, press) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(...(small ? [Object.assign(document.createElement("small"), { textContent: small }), label] : [label]));
  made.setAttribute("aria-pressed", "false");
  made.addEventListener("click", () => {
    for (const other of made.parentElement.children) other.setAttribute("aria-pressed", String(other === made));
    press();
  });
  return made;
}

function showTimes(starts) {
  $("form").hidden = true;
  $("times").replaceChildren(
    ...starts.map((start) =>
      button(time(start), "", () => {
        $("chosen").textContent = moment(start);
        $("form").dataset.start = start;
        $("form").hidden = false;
        $("form").elements.name.focus();
      }),
    ),
  );
}

async function showSlots() {
  const { host, slots } = await call("GET", "/api/slots");
  $("host").textContent = host;
  const days = new Map();
  for (const start of slots) {
    const day = format(start, { dateStyle: "short" });
    days.set(day, [...(days.get(day) ?? []), start]);
  }
  $("days").replaceChildren(
    ...[...days.values()].map((starts) => {
      const label = format(starts[0], { day: "numeric", month: "short" });
      return button(label, format(starts[0], { weekday: "short" }), () => showTimes(starts));
    }),
  );
  $("choose").hidden = false;
  $("days").firstElementChild?.click();
}

function showBooking(booking) {
  const cancelled = booking.status === "cancelled";
  $("host").textContent = booking.host;
  $("choose").hidden = true;
  $("booked").hidden = false;
  $("booked-title").textContent = cancelled ? "Your booking is cancelled" : "You are booked";
  $("when").textContent = moment(booking.starts_at);
  $("join").hidden = cancelled || !booking.join_url;
  if (booking.join_url) $("join").href = booking.join_url;
  $("cancel").hidden = cancelled;
  $("link-note").textContent = note(booking, cancelled);
}

function note({ state, detail }, cancelled) {
  if (cancelled) return "Everyone has been notified.";
  if (state === "ready") return "The invitation with this link is on its way to you.";
  if (state === "pending") return "Your video link is being created …";
  return state === "waiting" ? `The video link will follow. ${detail}` : detail;
}

/** Show a booking, and again when its link is there. */
async function follow(id) {
  let booking;
  do {
    booking = await call("GET", `/api/bookings/${id}`);
    showBooking(booking);
  } while (booking.state === "pending");
}

$("zone").textContent = zone.replaceAll("_", " ");
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, email } = Object.fromEntries(new FormData(event.target));
  const press = event.target.querySelector("button");
  press.disabled = true;
  attempt(async () => {
    const starts_at = event.target.dataset.start;
    const booking = await call("POST", "/api/bookings", { starts_at, name, email, time_zone: zone, language });
    history.pushState(null, "", `/bookings/${booking.id}`);
    showBooking(booking);
    $("booked-title").focus();
    await follow(booking.id);
  }).finally(() => (press.disabled = false));
});
$("cancel").addEventListener("click", () =>
  attempt(async () => showBooking(await call("DELETE", `/api${location.pathname}`))),
);
const [, id] = location.pathname.match(/^\/bookings\/([\w-]+)$/) ?? [];
attempt(id ? () => follow(id) : showSlots);
