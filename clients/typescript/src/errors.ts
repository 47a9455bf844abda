import type { Booking, FieldProblem, Problem } from "./types.js";

/** Any error of this client. */
export class MeetlinkError extends Error {
  override name = this.constructor.name;
}

/** The API refused a request. Decide by `reason`; `detail` is for people and may change. */
export class ProblemError extends MeetlinkError {
  constructor(
    readonly problem: Problem,
    /** Include it when you contact the operator. */
    readonly requestId: string | null,
  ) {
    super(`${problem.detail} (${problem.type}, request ${requestId})`);
  }

  /** The HTTP status. */
  get status(): number {
    return this.problem.status;
  }

  /** The last part of `type`, such as `not_connected`. */
  get reason(): string {
    return this.problem.type.slice(this.problem.type.lastIndexOf(":") + 1);
  }

  /** Everything that is wrong with the request, if it is invalid. */
  get errors(): FieldProblem[] {
    return this.problem.errors ?? [];
  }
}

/** No response, or not from the API. A request that changes something may have been carried out. */
export class UnavailableError extends MeetlinkError {}

/** A booking has no link yet, or gets none: see `booking.meeting`. */
export class NotReadyError extends MeetlinkError {
  constructor(readonly booking: Booking) {
    const { state, detail, reason } = booking.meeting;
    super(`The meeting is ${state}: ${detail ?? reason}`);
  }
}

/** The request does not come from meetlink, or is older than five minutes. Respond with 401. */
export class WrongSignatureError extends MeetlinkError {}
