// A program that uses the TypeScript client of the shop: compiled, and run against a server. What a compiler has to refuse says so.
// `node use_shop.js URL STAFF ANN`, with a token of somebody of the staff and one of somebody who is not.

import {
  type AnyStoreEdit,
  ApiError,
  type Article,
  type EditResult,
  type ErrorCode,
  type Maker,
  NetworkError,
  type Page,
  ShopClient,
  type Slot,
  type Tagged,
  type Total,
} from "./shop_client.js";

declare const process: { argv: string[] };

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function typed<Expected>(): <Found>(value: Found, same: Same<Found, Expected>) => void {
  return () => undefined;
}

function equal(found: unknown, expected: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
  }
}

function given<Value>(value: Value | null | undefined): Value {
  if (value === null || value === undefined) throw new Error("nothing is there");
  return value;
}

async function refused(code: ErrorCode, call: Promise<unknown>): Promise<ApiError> {
  const error = await call.then(() => null, (refusal: unknown) => refusal);
  if (!(error instanceof ApiError) || error.code !== code) throw new Error(`${code}, not ${String(error)}`);
  return error;
}

async function oneItem(staff: ShopClient): Promise<string> {
  const made = await staff.article.create({
    code: "a&b=c d",
    price: "12.50",
    tags: ["x"],
    origin: { country: "NL" },
    since: "2026-01-31",
    picture: "AP8=",
    size: "large",
  });
  const read = await staff.article.read(made.id);
  typed<Article | null>()(read, true);
  const article = given(read);
  equal([article.price, article.since, article.picture], ["12.5", "2026-01-31", "AP8="]);
  equal(article.origin, { country: "NL", altitude: null });
  equal("maker" in article, false);
  const changed = await staff.article.update(article.id, { stock: { add: 2 }, tags: { append: ["y"] }, weight: 1.5 });
  equal([changed?.stock, changed?.tags, changed?.weight, changed?.version], [2, ["x", "y"], 1.5, 2]);
  const when = { version: { eq: 2 }, weight: { gt: 1 } };
  const emptied = await staff.article.update(article.id, { weight: null }, { when });
  equal([emptied?.weight, emptied?.stock], [null, 2]);
  return article.id;
}

async function conditions(staff: ShopClient, key: string): Promise<void> {
  const refusal = await refused(
    "precondition_failed",
    staff.article.update(key, { stock: 9 }, { when: { version: { eq: 1 } } }),
  );
  equal([refusal.status, (refusal.problem["item"] as Article).version], [412, 3]);
  const tagged = await staff.article.readTagged(key);
  typed<Tagged<Article> | null>()(tagged, true);
  const ifMatch = given(tagged).etag;
  given(await staff.article.update(key, { stock: 3 }, { ifMatch }));
  equal((await refused("precondition_failed", staff.article.delete(key, { ifMatch }))).status, 412);
  const note = await staff.note.create({ text: "mine" });
  // @ts-expect-error on no condition
  equal((await refused("precondition_required", staff.note.delete(note.id, {}))).status, 428);
  equal(await staff.note.delete(note.id, { ifMatch: "*" }), true);
}

async function searching(staff: ShopClient): Promise<void> {
  const maker = await staff.maker.create({ name: "Mel, & co" });
  const edits = Array.from({ length: 7 }, (_, number) => ({
    create: { code: `b${number}`, price: `${number}`, maker_id: maker.id },
  }));
  const made = await staff.article.editBatch(edits);
  typed<EditResult<Pick<Article, "id"> & Partial<Article>>[]>()(made, true);
  equal(made.map((one) => one.code), edits.map(() => "ok"));
  const where = { maker: { name: { startswith: "Mel," } } };
  const page = await staff.article.search({ where, order: "-price", limit: 3 });
  typed<Page<Article>>()(page, true);
  equal(page.items.map((one) => one.code), ["b6", "b5", "b4"]);
  const following = await staff.article.search({ where, order: "-price", limit: 3, cursor: given(page.cursor) });
  equal(following.items.map((one) => one.code), ["b3", "b2", "b1"]);
  const every: string[] = [];
  for await (const one of staff.article.searchAll({
    where: { price: { lt: "7" }, code: { ne: "b3" } },
    order: ["price", "-id"],
    limit: 2,
  })) {
    every.push(one.code);
  }
  equal(every, ["b0", "b1", "b2", "b4", "b5", "b6"]);
  const exported: unknown[] = [];
  for await (const one of staff.article.export({
    where: { code: { oneof: ["b1", "b2"] } },
    order: "code",
    fields: ["code", "maker.name"],
  })) {
    typed<string>()(one.code, true);
    exported.push([one.code, one.maker?.name, "price" in one]);
  }
  equal(exported, [["b1", "Mel, & co", false], ["b2", "Mel, & co", false]]);
  equal(await staff.article.count({ code: { oneof: [] } }), 0);
  equal(await staff.article.count({ origin: { country: { eq: "NL" }, altitude: { null: true } } }), 1);
  equal(await staff.article.count({ hidden: { eq: false }, size: { eq: "small" } }, { query: "b1" }), 1);
  const found = given(
    await staff.maker.read(maker.id, { include: ["articles", "articles.maker", "article_count"] }),
  );
  equal([found.article_count, found.articles.items.length], [7, 7]);
  const first = given(found.articles.items[0]);
  equal(first.maker?.name, "Mel, & co");
  const missing = "00000000-0000-4000-8000-000000000000";
  const batch = await staff.article.readBatch([first.id, missing], { fields: ["code"] });
  typed<Pick<Article, "code"> | null>()(batch[0] ? { code: batch[0].code } : null, true);
  equal([batch.length, Object.keys(batch[0] ?? {}), batch[1]], [2, ["code"], null]);
  const [gone, done] = await staff.article.editBatch([
    { update: { key: missing, changes: { stock: 1 } } },
    { delete: { key: first.id, when: { or: [{ price: { lt: "9" } }] } } },
  ]);
  if (gone?.code === "ok" || done?.code !== "ok") throw new Error("the other way round");
  equal([gone?.code, gone?.status], ["not_found", 404]);
  const [one, two] = await staff.editBatch([
    { maker: { create: { name: "Both" } } },
    { slot: { create: { shelf: "both", place: 1 } } },
  ], { atomic: true });
  typed<EditResult<Maker>>()(one, true);
  typed<EditResult<Slot>>()(two, true);
  equal([one.code === "ok" && one.item?.name, two.code === "ok" && two.item?.place], ["Both", 1]);
  const edits2: AnyStoreEdit[] = [{ slot: { delete: { key: ["both", 1] } } }];
  equal(await staff.editBatch(edits2), [{ code: "ok" }]);
}

async function keysAndWhatIsNotThere(staff: ShopClient): Promise<void> {
  await staff.slot.create({ shelf: "a/b~c%!'()*", place: 7 });
  equal((await staff.slot.read(["a/b~c%!'()*", 7]))?.place, 7);
  equal(await staff.slot.update(["nowhere", 1], { article_id: null }), null);
  equal(await staff.slot.delete(["a/b~c%!'()*", 7]), true);
  equal(await staff.slot.delete(["a/b~c%!'()*", 7]), false);
  equal(await staff.slot.read("nowhere~1"), null);
}

async function actions(staff: ShopClient): Promise<void> {
  const total = await staff.actions.total({ at_least: 1 });
  typed<Total>()(total, true);
  equal(total, { articles: 1, value: "12.5" });
  equal(await staff.actions.greet({ name: "Ann", times: 2 }), "Hello, Ann, Ann");
}

async function refusals(url: string, ann: string): Promise<void> {
  const client = new ShopClient({ baseUrl: `${url}/`, token: async () => ann });
  const faulty = client.article.create({ code: "far too long a code", price: "1", stock: -1 });
  const faults = (await refused("invalid_input", faulty)).faults;
  equal(
    faults.map((one) => [one.path, one.expected]).sort(),
    [["/code", "str of length <= 12"], ["/stock", "int >= 0"]],
  );
  equal((await refused("forbidden", client.maker.create({ name: "not for Ann" }))).status, 403);
  equal((await client.article.search({ limit: 1 })).items.map((one) => "cost" in one), [false]);
  const nobody = new ShopClient({ baseUrl: url, token: "nobody's" });
  equal((await refused("unauthenticated", nobody.article.search())).status, 401);
  const nowhere = new ShopClient({ baseUrl: "http://127.0.0.1:9", retries: 0 });
  const error = await nowhere.maker.search().catch((failure: unknown) => failure);
  equal(error instanceof NetworkError, true);
  const controller = new AbortController();
  controller.abort("not wanted");
  const ended = await client.maker.search({ signal: controller.signal }).catch((failure: unknown) => failure);
  equal(ended, "not wanted");
}

/** Never called. */
export async function wrong(client: ShopClient): Promise<void> {
  // @ts-expect-error no price
  await client.article.create({ code: "a" });
  // @ts-expect-error text, so that no digit is lost
  await client.article.create({ code: "a", price: 1.5 });
  // @ts-expect-error unknown
  await client.article.create({ code: "a", price: "1", colour: "red" });
  // @ts-expect-error not to be given
  await client.article.create({ code: "a", price: "1", hidden: true });
  // @ts-expect-error no such size
  await client.article.create({ code: "a", price: "1", size: "medium" });
  // @ts-expect-error counted by the server
  await client.article.update("key", { version: 1 });
  // @ts-expect-error may not be null
  await client.article.update("key", { code: null });
  // @ts-expect-error nothing is added to a float
  await client.article.update("key", { weight: { add: 1 } });
  // @ts-expect-error no operator of numbers
  await client.article.search({ where: { price: { contains: "1" } } });
  // @ts-expect-error no operator of flags
  await client.article.search({ where: { hidden: { gt: true } } });
  // @ts-expect-error unknown behind the link
  await client.article.search({ where: { maker: { nam: { eq: "x" } } } });
  // @ts-expect-error no order
  await client.article.search({ order: "tags" });
  // @ts-expect-error no such attribute
  await client.article.search({ fields: ["codes"] });
  // @ts-expect-error no such link
  await client.article.read("key", { include: ["makers"] });
  // @ts-expect-error the second part is a number
  await client.slot.read(["a", "b"]);
  // @ts-expect-error no such store
  await client.editBatch([{ articles: { delete: { key: "k" } } }]);
  // @ts-expect-error no such edit
  await client.article.editBatch([{ remove: { key: "k" } }]);
  // @ts-expect-error on no condition
  await client.note.editBatch([{ delete: { key: "k" } }]);
  // @ts-expect-error no name
  await client.actions.greet({});
  // @ts-expect-error an export has every match
  client.article.export({ limit: 1 });
  const item = await client.article.read("key");
  // @ts-expect-error may be null
  item.code;
  // @ts-expect-error unknown
  item?.colour;
  // @ts-expect-error not included
  item?.maker;
  const some = await client.article.read("key", { fields: ["code"] });
  // @ts-expect-error not asked for
  some?.price;
  // @ts-expect-error the first may not be there
  (await client.article.search()).items[0].code;
  const error = new ApiError({ code: "conflict", status: 409, title: "Conflict" });
  // @ts-expect-error no such code
  if (error.code === "conflit") return;
}

const [, , url, staffToken, annToken] = process.argv;
const staff = new ShopClient({ baseUrl: given(url), token: given(staffToken) });
const key = await oneItem(staff);
await conditions(staff, key);
await actions(staff);
await searching(staff);
await keysAndWhatIsNotThere(staff);
await refusals(given(url), given(annToken));
equal(await staff.article.delete(key, { when: { stock: { ge: 3 } } }), true);
console.log("done");
