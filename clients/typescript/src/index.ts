export { Meetlink } from "./client.js";
export { MeetlinkError, NotReadyError, ProblemError, UnavailableError, WrongSignatureError } from "./errors.js";
export type { Options } from "./session.js";
export type * from "./types.js";
export { VERSION } from "./version.js";
export { verifyWebhook } from "./webhooks.js";
