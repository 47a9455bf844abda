// For each calendar file named: what ical.js reads in it, one line of JSON a file.
import { readFileSync } from "node:fs";
import ICAL from "ical.js";

for (const path of process.argv.slice(2)) {
  const calendar = new ICAL.Component(ICAL.parse(readFileSync(path, "utf8")));
  const event = new ICAL.Event(calendar.getFirstSubcomponent("vevent"));
  const read = {
    method: calendar.getFirstPropertyValue("method"),
    starts: event.startDate.toUnixTime(),
    ends: event.endDate.toUnixTime(),
    attendees: event.attendees.map((attendee) => attendee.getFirstValue()),
    uid: event.uid,
    sequence: event.sequence,
    title: event.summary,
    location: event.location,
  };
  console.log(JSON.stringify(read));
}
