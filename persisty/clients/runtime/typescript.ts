// The runtime of a TypeScript client: errors, pages, retries. It is copied from the mark on.

export type ErrorCode = string;
const REPLAYED: boolean = false;

// --- shared
/** A date and time with its offset, ISO 8601: `2030-01-31T12:00:00.000001Z`. */
export type DateTime = string;
/** `2030-01-31` */
export type DateOnly = string;
/** `12:00:00` */
export type TimeOfDay = string;
/** ISO 8601: `PT90S` */
export type Duration = string;
export type UUID = string;
/** A number as text, so that no digit is lost: `12.5` */
export type Decimal = string;
/** In base64. */
export type Bytes = string;

/** Base of all errors that this client throws, except when the caller's `signal` ends a call. */
export class ClientError extends Error {
  override name = "ClientError";
}

/** The server could not be reached, or did not respond in time. A write may or may not have been executed. */
export class NetworkError extends ClientError {
  override name = "NetworkError";
}

/** A fault of the input. `path` is a JSON pointer to it. */
export interface Fault {
  path: string;
  message: string;
  expected?: string;
  found?: string;
}

/** The problem document of an error. */
export interface Problem {
  code: ErrorCode;
  status: number;
  title: string;
  detail?: string;
  faults?: Fault[];
}

/** The server rejected the request. `problem` is the whole problem document, with the members of its code. */
export class ApiError extends ClientError implements Problem {
  override name = "ApiError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly faults: Fault[];
  readonly problem: Problem & Record<string, unknown>;
  /** Milliseconds to wait before the next attempt, if the server sent them. */
  readonly retryAfter: number | null;

  constructor(problem: Problem & Record<string, unknown>, retryAfter: number | null = null) {
    const faults = problem.faults ?? [];
    const detail = problem.detail ?? problem.title;
    super([`${problem.code}: ${detail}`, ...faults.map((one) => `${one.path || "/"}: ${one.message}`)].join("; "));
    this.code = problem.code;
    this.status = problem.status;
    this.title = problem.title;
    this.detail = detail;
    this.faults = faults;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** A page of matches. `cursor` is for the next page, null on the last. `errors`: the matches that cannot be read. */
export interface Page<Item> {
  items: Item[];
  cursor: string | null;
  errors?: Problem[];
}

/** An item and the tag of its version. Pass the tag as `ifMatch` to write only this version. */
export interface Tagged<Item> {
  item: Item;
  etag: string;
}

/** The result of one edit of a batch: the new item, or the problem. */
export type EditResult<Item> = { code: "ok"; item?: Item } | (Problem & { item?: Item | null });

/** A change that adds to the stored number. */
export interface Add {
  add: number;
}

/** A change that appends to the stored list. */
export interface Append<Item> {
  append: readonly Item[];
}

/** Options of a single call. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds for the response. */
  timeout?: number | undefined;
}

/** Links to include in the response, and attributes to return. */
export interface Showing<Include extends string, Field extends string> {
  include?: readonly Include[] | undefined;
  fields?: readonly Field[] | undefined;
}

/** Options of a search. */
export interface Searching<Where, Order extends string> {
  where?: Where | undefined;
  query?: string | undefined;
  order?: Order | readonly Order[] | undefined;
  limit?: number | undefined;
  cursor?: string | undefined;
}

/** Conditions of a write: a filter that the item has to match, and the tag of its version. */
export interface Conditions<Where> {
  when?: Where | undefined;
  ifMatch?: string | undefined;
}

/** Conditions of a write that needs one. */
export type Condition<Where> = Conditions<Where> & ({ when: Where } | { ifMatch: string });

/** An item with some of its links. */
export type Linked<Item, Links> = Item & Partial<Links>;

type Head<Path extends string> = Path extends `${infer First}.${string}` ? First : Path;
type Led<Path extends string> = Path extends `${infer First}.${string}` ? First : never;
type Some<Value> = Value extends Page<infer Item> ? Page<Partial<Item>> : Value extends object ? Partial<Value> : Value;

type Chosen<Item, Links, Field extends string> = [Field] extends [never]
  ? Item
  : Pick<Item, Extract<Field, keyof Item>> &
      Pick<Links, Extract<Field, keyof Links>> & { [Name in Extract<Led<Field>, keyof Links>]: Some<Links[Name]> };

/** An item as a response has it. */
export type Shown<Item, Links, Include extends string, Field extends string> = [Include] extends [never]
  ? Chosen<Item, Links, Field>
  : Chosen<Item, Links, Field> & Pick<Links, Extract<Head<Include>, keyof Links>>;

/** Options of a client. */
export interface ClientOptions {
  baseUrl: string;
  /** A bearer token, or a function that returns one for each request. */
  token?: string | (() => string | Promise<string>) | undefined;
  /** Default: the platform's. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds for a response; default 30000. */
  timeout?: number | undefined;
  /** How many times a request without a response, or with a temporary error, is repeated if that is safe; default 2. */
  retries?: number | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
}

const TRANSIENT: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const LONGEST_WAIT = 30_000;

type Parameters = [string, string][];

interface Asked {
  method: string;
  path: string;
  parameters?: Parameters;
  body?: unknown;
  ifMatch?: string | undefined;
  accept?: string;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : String(value);
}

function escaped(part: unknown): string {
  return encodeURIComponent(text(part)).replace(
    /[!'()*~]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Returns the string key of a text, a value, or the values of its parts. `times`: the parts that are times, written with all digits. */
function keyText(key: unknown, times: readonly number[] = []): string {
  if (Array.isArray(key)) return key.map((one, part) => escaped(times.includes(part) ? moment(one) : one)).join("~");
  return times.length === 1 ? moment(key) : text(key);
}

/** `2030-01-31T12:00:00Z` with six digits after the seconds. */
function moment(value: unknown): string {
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z$/.exec(text(value));
  return found ? `${found[1]}.${(found[2] ?? "").padEnd(6, "0")}Z` : text(value);
}

function at(path: string, key: unknown, times: readonly number[] = []): string {
  return `${path}/${encodeURIComponent(keyText(key, times))}`;
}

/** Returns a filter as parameters: `{place: {city: {startswith: "R"}}}` is `place.city__startswith=R`. */
function filter(where: object | undefined, path = ""): Parameters {
  return Object.entries(where ?? {}).flatMap(([name, value]): Parameters => {
    if (value === undefined) return [];
    if (name === "oneof" && Array.isArray(value)) {
      // matches nothing: without a parameter it would match everything
      const none: Parameters = [[`${path}__null`, "true"], [`${path}__null`, "false"]];
      return value.length ? value.map((one) => [`${path}__oneof`, text(one)]) : none;
    }
    if (value === null) return [[`${path}__null`, name === "ne" ? "false" : "true"]];
    if (typeof value === "object") return filter(value, path ? `${path}.${name}` : name);
    return [[name === "eq" ? path : `${path}__${name}`, text(value)]];
  });
}

/** Returns the parameters that were given. A list is one parameter with commas. In `action`: one for each value, and `json` are in JSON. */
function parameters(given: object, action = false, ...json: string[]): Parameters {
  return Object.entries(given).flatMap(([name, value]): Parameters => {
    if (value === undefined || value === null) return [];
    if (json.includes(name)) return [[name, spelled(value)]];
    if (!Array.isArray(value)) return [[name, text(value)]];
    const texts: string[] = value.map(text);
    return action ? texts.map((one) => [name, one]) : texts.length ? [[name, texts.join(",")]] : [];
  });
}

function shown(options: Showing<string, string>): Parameters {
  return parameters({ include: options.include, fields: options.fields });
}

function searched(options: Searching<object, string> & Showing<string, string>): Parameters {
  const { where, query, order, limit, cursor } = options;
  return [...filter(where), ...parameters({ query, order, limit, cursor }), ...shown(options)];
}

/** Returns edits with their keys as JSON. */
function edited(edits: readonly object[], times: readonly number[] = []): unknown[] {
  return edits.map((edit) =>
    Object.fromEntries(
      Object.entries(edit).map(([verb, body]) => {
        return [verb, verb === "create" ? body : { ...body, key: keyText(body.key, times) }];
      }),
    ),
  );
}

/** Returns a UUID: the platform's, or a random one if the platform has none. */
function uniqueKey(): string {
  const digit = () => Math.floor(Math.random() * 16).toString(16);
  return globalThis.crypto?.randomUUID?.() ?? "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, digit);
}

/** Returns the value of a JSON text. An integer that a number would round is a bigint. */
function parsed<Value>(content: string): Value {
  if (!/\d{16}/.test(content)) return JSON.parse(content);
  const mark = uniqueKey();
  const marked = content.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (one) =>
    /^-?\d{16,}$/.test(one) && !Number.isSafeInteger(Number(one)) ? `"${mark}${one}"` : one,
  );
  const exact = (_: string, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value;
  return JSON.parse(marked, exact);
}

/** Returns the JSON text of a value, a bigint with all of its digits. */
function spelled(value: unknown): string {
  const mark = uniqueKey();
  const content = JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? `${mark}${one}` : one));
  return content.includes(mark) ? content.replace(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1") : content;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function retryAfter(response: Response): number | null {
  const told = response.headers.get("retry-after") ?? "";
  return /^\d+$/.test(told) ? Number(told) * 1000 : null;
}

/** Returns whether the error is temporary. `idempotency_in_progress`: an earlier attempt is still running. */
function transient(error: ApiError): boolean {
  return TRANSIENT.has(error.status) || error.code === "idempotency_in_progress";
}

async function refusal(response: Response): Promise<ApiError> {
  const content = await response.text();
  const known = { code: "http_error" as ErrorCode, status: response.status, title: response.statusText || "HTTP error" };
  let problem: Problem & Record<string, unknown> = { ...known, detail: content.slice(0, 200) };
  if (response.headers.get("content-type")?.startsWith("application/problem+json")) {
    try {
      problem = { ...known, ...JSON.parse(content) };
    } catch {
      // cut off: the received part is the detail
    }
  }
  return new ApiError(problem, retryAfter(response));
}

/** Returns the item on a line of an export. Throws the error that its last line may have. */
function lineOf<Item>(line: string, known: ReadonlySet<string>): Item {
  const found = parsed<any>(line);
  if ("code" in found && "status" in found && "title" in found && !Object.keys(found).every((one) => known.has(one))) {
    throw new ApiError(found);
  }
  return found;
}

/** Sends requests, repeats them if that is safe, and throws the server's errors. */
class Transport {
  readonly #options: ClientOptions;
  readonly #fetch: typeof fetch;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** Returns the result of `read` for the response. */
  async #sent<Result>(asked: Asked, call: CallOptions, read: (response: Response) => Promise<Result>): Promise<Result> {
    const unique = asked.method === "POST" ? uniqueKey() : null;
    const retries = this.#options.retries ?? 2;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#once(asked, call, unique, read);
      } catch (error) {
        const again = attempt < retries ? this.#wait(asked, error, attempt) : null;
        if (again === null) throw error;
        await pause(again);
      }
    }
  }

  /** Returns the milliseconds to the next attempt, null for no attempt. A server that says when to retry has not executed the request. */
  #wait(asked: Asked, error: unknown, attempt: number): number | null {
    if (!(error instanceof NetworkError || (error instanceof ApiError && transient(error)))) return null;
    if (error instanceof ApiError && error.retryAfter !== null) {
      return error.retryAfter <= LONGEST_WAIT ? error.retryAfter : null;
    }
    const repeatable = asked.method === "GET" || (asked.method === "POST" && REPLAYED);
    return repeatable ? Math.min(8000, 100 * 2 ** attempt) * (0.5 + Math.random() / 2) : null;
  }

  async #once<Result>(
    asked: Asked,
    call: CallOptions,
    unique: string | null,
    read: (response: Response) => Promise<Result>,
  ): Promise<Result> {
    const controller = new AbortController();
    const stop = () => controller.abort();
    const timer = setTimeout(stop, call.timeout ?? this.#options.timeout ?? 30_000);
    call.signal?.addEventListener("abort", stop);
    if (call.signal?.aborted) stop();
    try {
      const query = new URLSearchParams(asked.parameters ?? []).toString();
      const url = `${this.#options.baseUrl.replace(/\/+$/, "")}${asked.path}${query && "?"}${query}`;
      const headers = await this.#headers(asked, unique);
      const body = asked.body === undefined ? null : spelled(asked.body);
      const response = await this.#fetch(url, { method: asked.method, headers, body, signal: controller.signal });
      if (!response.ok) throw await refusal(response);
      return await read(response);
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      if (error instanceof ClientError) throw error;
      throw new NetworkError(`${asked.method} ${asked.path}: ${error}`, { cause: error });
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener("abort", stop);
    }
  }

  async #headers(asked: Asked, unique: string | null): Promise<Record<string, string>> {
    const token = this.#options.token;
    return {
      ...this.#options.headers,
      accept: asked.accept ?? "application/json",
      ...(asked.body === undefined ? {} : { "content-type": "application/json" }),
      ...(asked.ifMatch === undefined ? {} : { "if-match": asked.ifMatch }),
      ...(unique === null ? {} : { "idempotency-key": unique }),
      ...(token === undefined ? {} : { authorization: `Bearer ${typeof token === "string" ? token : await token()}` }),
    };
  }

  answer<Result>(asked: Asked, call: CallOptions): Promise<Result> {
    return this.#sent(asked, call, async (response) => parsed<Result>(await response.text()));
  }

  async #unlessMissing<Result, Other>(answer: Promise<Result>, other: Other): Promise<Result | Other> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof ApiError && error.code === "not_found" && error.detail === error.title) return other;
      throw error;
    }
  }

  found<Result>(asked: Asked, call: CallOptions): Promise<Result | null> {
    return this.#unlessMissing(this.answer<Result>(asked, call), null);
  }

  tagged<Item>(asked: Asked, call: CallOptions): Promise<Tagged<Item> | null> {
    const tagged = this.#sent(asked, call, async (response) => ({
      item: parsed<Item>(await response.text()),
      etag: response.headers.get("etag") ?? "*",
    }));
    return this.#unlessMissing(tagged, null);
  }

  deleted(asked: Asked, call: CallOptions): Promise<boolean> {
    return this.#unlessMissing(
      this.#sent(asked, call, async () => true),
      false,
    );
  }

  async *lines<Item>(asked: Asked, known: readonly string[], call: CallOptions): AsyncGenerator<Item, void, undefined> {
    const response = await this.#sent(asked, call, async (answer) => answer);
    const reader = response.body?.getReader();
    if (!reader) return;
    const stop = () => void reader.cancel().catch(() => undefined);
    call.signal?.addEventListener("abort", stop);
    const names = new Set(known);
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await reader.read().catch((error: unknown) => {
          throw new NetworkError(`${asked.path}: ${error}`, { cause: error });
        });
        if (call.signal?.aborted) throw call.signal.reason;
        const lines = (rest + decoder.decode(value, { stream: !done })).split("\n");
        rest = done ? "" : (lines.pop() ?? "");
        for (const line of lines) if (line) yield lineOf<Item>(line, names);
        if (done) return;
      }
    } finally {
      call.signal?.removeEventListener("abort", stop);
      stop();
    }
  }

  /** Iterates over the items of all pages. At the end, throws the error of the first match that cannot be read. */
  async *pages<Item>(asked: Asked, call: CallOptions): AsyncGenerator<Item, void, undefined> {
    let cursor: string | null = null;
    let unreadable: Problem | undefined;
    do {
      const following: Parameters = cursor === null ? [] : [["cursor", cursor]];
      const every = [...(asked.parameters ?? []), ...following];
      const page: Page<Item> = await this.answer({ ...asked, parameters: every }, call);
      yield* page.items;
      unreadable ??= page.errors?.[0];
      cursor = page.cursor;
    } while (cursor !== null);
    if (unreadable !== undefined) throw new ApiError({ ...unreadable });
  }
}
