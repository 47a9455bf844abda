// Drives Zoom's own client through a connection and a meeting's life, on orders read line by line from standard input.
//
// Unchanged but for its base addresses: the API's is an option of the client; the one of OAuth is a constant in it
// ("https://zoom.us"), so requests to that host are redirected by an interceptor on the axios instance it uses.
import { createInterface } from "node:readline";

import { MeetingsOAuthClient } from "@zoom/rivet/meetings";
import axios from "axios";

const { STANDIN_URL, RECEIVER_PORT, CLIENT_ID, CLIENT_SECRET, WEBHOOK_SECRET } = process.env;

axios.interceptors.request.use((config) => {
  config.url = config.url.replace(/^https:\/\/zoom\.us(?=\/)/, STANDIN_URL);
  return config;
});

const tokens = {
  current: undefined,
  getLatestToken() {
    return this.current;
  },
  storeToken(token) {
    this.current = token;
  },
};

const client = new MeetingsOAuthClient({
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  webhooksSecretToken: WEBHOOK_SECRET,
  port: Number(RECEIVER_PORT),
  baseUrl: `${STANDIN_URL}/v2`,
  tokenStore: tokens,
  installerOptions: {
    directInstall: true,
    redirectUri: `http://127.0.0.1:${RECEIVER_PORT}`,
    stateStore: "a secret for the state's signature",
  },
});

const events = [];
const names = [
  "app_deauthorized",
  "meeting.updated",
  "meeting.deleted",
  "meeting.started",
  "meeting.ended",
  "meeting.participant_joined",
  "meeting.participant_left",
  "recording.completed",
];
for (const name of names) {
  client.webEventConsumer.event(name, (event) => events.push({ name, ...event }));
}

const { meetings } = client.endpoints;
const orders = {
  create: (body) => meetings.createMeeting({ path: { userId: "me" }, body }),
  list: () => meetings.listMeetings({ path: { userId: "me" }, query: { type: "scheduled" } }),
  get: (meetingId) => meetings.getMeeting({ path: { meetingId } }),
  update: ({ meetingId, body }) => meetings.updateMeeting({ path: { meetingId }, body }),
  delete: (meetingId) => meetings.deleteMeeting({ path: { meetingId } }),
  // The client refreshes by itself before the next call once the token seems old.
  age: () => (tokens.current.expirationTimeIso = new Date(0).toISOString()),
  events: () => events,
};

const server = await client.start();
console.log(JSON.stringify({ result: "listening" }));
for await (const line of createInterface({ input: process.stdin })) {
  const { order, argument } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ result: await orders[order](argument) }));
  } catch (error) {
    console.log(JSON.stringify({ error: `${error.name}: ${error.message}` }));
  }
}
server.closeAllConnections();
server.close();
