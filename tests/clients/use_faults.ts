// What the client makes of servers that are in trouble: an injected `fetch` plays them. `node use_faults.js`

import { ApiError, type ErrorCode, NetworkError, ShopClient } from "./shop_client.js";

type Answer = Response | Error;

function equal(found: unknown, expected: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
  }
}

function problem(status: number, code: string, headers: Record<string, string> = {}, detail?: string): Response {
  const body = JSON.stringify({ code, status, title: "No", detail });
  return new Response(body, { status, headers: { "content-type": "application/problem+json", ...headers } });
}

/** A client of a server that gives these answers, and the requests that it gets. */
function playing(...answers: Answer[]): [ShopClient, Request[]] {
  const asked: Request[] = [];
  const play: typeof fetch = async (input, init) => {
    asked.push(new Request(input, init));
    const answer = answers.shift();
    if (answer === undefined || answer instanceof Error) throw answer ?? new Error("asked too often");
    return answer;
  };
  return [new ShopClient({ baseUrl: "http://shop", fetch: play, headers: { "x-app": "tests" } }), asked];
}

async function failure(call: Promise<unknown>): Promise<unknown> {
  return call.then(() => "done", (error: unknown) => error);
}

async function refusal(code: ErrorCode, call: Promise<unknown>): Promise<ApiError> {
  const error = await failure(call);
  if (!(error instanceof ApiError) || error.code !== code) throw new Error(`${code}, not ${String(error)}`);
  return error;
}

const note = { code: "a", price: "1" };
const soon = { "retry-after": "0" };
const page = () => Response.json({ items: [], cursor: null });

// what reads is sent again, a write only if the server says when
{
  const [client, asked] = playing(new Error("reset"), problem(503, "throttled"), page());
  equal((await client.article.search()).items, []);
  equal(asked.length, 3);
}
{
  const [client, asked] = playing(new Error("reset"), new Response(null, { status: 204 }));
  equal((await failure(client.article.update("key", {}))) instanceof NetworkError, true);
  equal((await failure(client.article.delete("key"))), "done");
  equal(asked.length, 2);
}
{
  const [client, asked] = playing(problem(503, "throttled"), page());
  await refusal("throttled", client.article.update("key", {}));
  equal(asked.length, 1);
}
{
  // the server knows a POST again by its key
  const [client, asked] = playing(new Error("reset"), problem(409, "idempotency_in_progress"), Response.json({ id: "1" }));
  equal(await client.article.create(note), { id: "1" });
  const keys = asked.map((one) => one.headers.get("idempotency-key"));
  equal([keys.length, new Set(keys).size, typeof keys[0]], [3, 1, "string"]);
  equal(asked[0]?.headers.get("x-app"), "tests");
}
{
  const [client, asked] = playing(Response.json({ id: "1" }), Response.json({ id: "2" }), page());
  await client.article.create(note);
  await client.article.create(note);
  await client.article.search();
  const keys = asked.map((one) => one.headers.get("idempotency-key"));
  equal([new Set(keys).size, keys[2]], [3, null]);
}
{
  const [client, asked] = playing(problem(429, "rate_limited", soon), problem(503, "throttled", soon), Response.json({ id: "1" }));
  equal(await client.article.update("key", {}), { id: "1" });
  equal(asked.map((one) => one.headers.get("idempotency-key")), [null, null, null]);
}
// not for ever, and not after too long
{
  const [client, asked] = playing(...Array.from({ length: 5 }, () => problem(503, "not_ready", soon)));
  equal((await refusal("not_ready", client.article.search())).retryAfter, 0);
  equal(asked.length, 3);
}
{
  const [client, asked] = playing(problem(429, "rate_limited", { "retry-after": "3600" }));
  equal((await refusal("rate_limited", client.article.search())).retryAfter, 3_600_000);
  equal(asked.length, 1);
}
// what is none of the app's answers
{
  const [client] = playing(new Response("<h1>Bad gateway</h1>", { status: 418 }));
  equal((await refusal("http_error", client.article.search())).detail, "<h1>Bad gateway</h1>");
}
{
  const [client] = playing(new Response("not found here", { status: 404 }));
  await refusal("http_error", client.article.read("key"));
}
{
  const [client] = playing(problem(404, "not_found"));
  equal(await client.article.read("key"), null);
}
{
  const [client] = playing(problem(404, "not_found", {}, "No such customer"));
  equal((await refusal("not_found", client.article.delete("key"))).detail, "No such customer");
}
// the last line of an export that came to grief, cut anywhere
{
  const text = '{"code":"é"}\n{"code":"b"}\n{"code":"throttled","status":503,"title":"Throttled"}\n';
  const bytes = new TextEncoder().encode(text);
  const chunks = Array.from(bytes, (_, at) => bytes.slice(at, at + 1));
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
  });
  const [client, asked] = playing(new Response(body));
  const found: string[] = [];
  const reading = async () => {
    for await (const one of client.article.export({ fields: ["code"] })) found.push(one.code);
  };
  await refusal("throttled", reading());
  equal(found, ["é", "b"]);
  equal(asked[0]?.headers.get("accept"), "application/x-ndjson");
}
// no longer than is said
{
  const never: typeof fetch = (_, init) =>
    new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(new Error("aborted"))));
  const client = new ShopClient({ baseUrl: "http://shop", fetch: never, timeout: 20, retries: 0 });
  equal((await failure(client.article.search())) instanceof NetworkError, true);
}
console.log("done");
