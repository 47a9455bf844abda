import { MeetlinkError, ProblemError, UnavailableError } from "./errors.js";
import type { Problem } from "./types.js";

const RETRIED = new Set([429, 500, 502, 503, 504]);
const LONGEST_WAIT_SECONDS = 30;
const RACE = '"urn:meetlink:problem:changed_meanwhile"';

export type Query = Record<string, string | number | boolean | null | undefined>;

/** One call of the API. */
export type Request = {
  method: "GET" | "PUT" | "POST" | "DELETE";
  path: string;
  body?: unknown;
  query?: Query;
  headers?: Record<string, string>;
  /** Whether a POST can be sent again without a response. GET, PUT and DELETE always can. */
  repeatable?: boolean;
};

export type Options = {
  /** By default `MEETLINK_URL` of the environment. */
  url?: string;
  /** The API key, by default `MEETLINK_KEY` of the environment. Keep it on your server. */
  key?: string;
  timeoutSeconds?: number;
  /** How often a request is sent again. */
  retries?: number;
  fetch?: typeof globalThis.fetch;
  sleep?: (seconds: number) => Promise<void>;
};

type Result = { status: number; headers: Headers; text: string };

/** Sends requests, and sends them again after a failure that passes. */
export class Session {
  readonly sleep: (seconds: number) => Promise<void>;
  readonly #options: Required<Omit<Options, "sleep">>;
  readonly #userAgent: string;

  constructor(options: Options, version: string) {
    const url = options.url ?? environment("MEETLINK_URL");
    const defaults = { timeoutSeconds: 30, retries: 3, fetch: globalThis.fetch };
    this.#options = { ...defaults, ...options, url: url.replace(/\/$/, ""), key: options.key ?? environment("MEETLINK_KEY") };
    this.sleep = options.sleep ?? ((seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)));
    this.#userAgent = `meetlink-typescript/${version}`;
  }

  /** Return the body of the response, if it is a success. Throws `MeetlinkError`. */
  async send(request: Request): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      const result = await this.#attempt(request);
      if (!(result instanceof Error) && result.status < 300) return result.text;
      const pause = pauseSeconds(request, result, attempt);
      if (attempt >= this.#options.retries || pause === null) throw failure(result);
      await this.sleep(pause);
    }
  }

  async #attempt(request: Request): Promise<Result | Error> {
    const { url, key, timeoutSeconds, fetch } = this.#options;
    const headers: Record<string, string> = {
      Authorization: `Bearer ${key}`,
      "User-Agent": this.#userAgent,
      ...request.headers,
    };
    if (request.body !== undefined) headers["Content-Type"] = "application/json";
    const body = request.body === undefined ? null : JSON.stringify(request.body);
    try {
      const signal = AbortSignal.timeout(timeoutSeconds * 1000);
      const address = url + request.path + queryString(request.query ?? {});
      const response = await fetch(address, { method: request.method, headers, body, signal });
      return { status: response.status, headers: response.headers, text: await response.text() };
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}

function environment(name: string): string {
  const value = (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env[name];
  if (!value) throw new MeetlinkError(`Pass an option, or set ${name}.`);
  return value;
}

function queryString(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

/** How long to wait before the request is sent again; null if that would not help or not be safe. */
function pauseSeconds(request: Request, result: Result | Error, attempt: number): number | null {
  const repeatable = request.repeatable || request.method !== "POST";
  const backoff = 0.5 * 2 ** attempt * (1 + Math.random());
  if (result instanceof Error) return repeatable || isUnsent(result) ? backoff : null;
  const isRace = result.status === 409 && result.text.includes(RACE);
  if (!RETRIED.has(result.status) && !isRace) return null;
  // 429 and the race are refusals: nothing was done.
  if (!repeatable && result.status !== 429 && !isRace) return null;
  const asked = result.headers.get("Retry-After") ?? "";
  const pause = /^\d+$/.test(asked) ? Math.max(Number(asked), backoff) : backoff;
  return pause <= LONGEST_WAIT_SECONDS ? pause : null;
}

/** Whether there was no connection, so that nothing was sent. */
function isUnsent(error: Error): boolean {
  const code = (error.cause as { code?: string } | undefined)?.code ?? "";
  return ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"].includes(code);
}

function failure(result: Result | Error): MeetlinkError {
  if (result instanceof Error) return new UnavailableError(`${result.name}: ${result.message}`, { cause: result });
  if ((result.headers.get("Content-Type") ?? "").startsWith("application/problem+json")) {
    return new ProblemError(JSON.parse(result.text) as Problem, result.headers.get("X-Request-Id"));
  }
  return new UnavailableError(`HTTP ${result.status}, which is not a response of meetlink`);
}
