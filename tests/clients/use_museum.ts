// A program that gives and gets back a value of every type: compiled, and run as `node use_museum.js URL TOKEN`.

import { type Exhibit, type ExhibitCreate, MuseumClient } from "./museum_client.js";

declare const process: { argv: string[] };

function told(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? `${one}n` : one));
}

function equal(found: unknown, expected: unknown): void {
  if (told(found) !== told(expected)) throw new Error(`${told(found)}, not ${told(expected)}`);
}

const ID = "00000000-0000-4000-8000-000000000001";
const EVERY = {
  id: "a/b?c",
  text: "ü",
  list: [1, 2],
  uuid: ID,
  str: false,
  whole: null,
  big: 9223372036854775807n,
  real: 0.1,
  decimal: "1E-38",
  datetime: "2026-01-31T12:30:00Z",
  date: "2026-01-31",
  bytes: "AP4=",
  floor: -1,
  mood: 'lo"ud',
  level: null,
  step: 3,
  opens: "09:30:00",
  lasts: "PT5400S",
  made: { type: "Oil", brushWidth: 2.5, coats: [] },
  spot: [1, 0],
  size: [1, 2],
  frame: { gold: true },
  whole_of: { name: "a", parts: [{ name: "b", parts: [] }] },
  odd: { "kind-of": "odd", from: 3 },
  pair: [1, "x"],
  marks: ["m"],
  by_name: { a: 1 },
  by_id: { [ID]: [1, 2] },
  anything: { deep: [1, null] },
} satisfies ExhibitCreate;

const [, , baseUrl = "", token = ""] = process.argv;
const client = new MuseumClient({ baseUrl, token });

const made: Exhibit = await client.exhibit.create(EVERY);
equal(await client.exhibit.read("a/b?c"), made);
for (const [name, value] of Object.entries(EVERY)) equal({ ...made }[name as keyof Exhibit], value);
const again = await client.exhibit.update("a/b?c", { made: { type: "stone", weight: 3 }, odd: made.odd, frame: null });
equal([again?.made, again?.odd, again?.frame], [{ type: "stone", weight: 3 }, EVERY.odd, null]);
if (again?.made?.type === "stone") equal(again.made.weight, 3);

for (const anything of [9007199254740993n, [-9223372036854775808n, 0.12345678901234567, "12345678901234567890", '"9007199254740993'], 1e21]) {
  equal((await client.exhibit.update("a/b?c", { anything }))?.anything, anything);
  for await (const one of client.exhibit.export()) equal(one.anything, anything);
}
equal(await client.exhibit.count({ uuid: { eq: ID }, str: { eq: false }, big: { ge: EVERY.big }, real: { lt: 0.2 } }), 1);
equal(await client.exhibit.count({ decimal: { lt: "0.1" }, datetime: { oneof: [EVERY.datetime] } }), 1);
equal(await client.exhibit.count({ bytes: { eq: "AP4=" }, floor: { oneof: [-1] }, mood: { ne: "calm" } }), 1);
equal(await client.exhibit.count({ whole: { null: true }, odd: { "kind-of": { eq: "odd" }, from: { gt: 2 } } }), 1);

await client.page.create({ title: "one" });
const key = ["2026-01-31", "2026-01-31T12:30:00Z", "a~b"] as const;
const visit = await client.actions_.create({ day: key[0], at: key[1], hall: key[2] });
equal(await client.actions_.read(key), visit);
equal(await client.actions_.readBatch([key]), [visit]);
const [complained, left] = await client.editBatch([
  { complaint: { create: { text: "too bright" } } },
  { actions: { delete: { key } } },
]);
equal([complained.code, left.code], ["ok", "ok"]);
equal((await client.actions_.editBatch([{ delete: { key } }]))[0]?.code, "not_found");
equal((await client.class.search()).items, []);
equal("text" in (await client.complaint.create({ text: "too dark" })), false);

equal(await client.actions.gather({ ids: [] }), [[], null, [], null, null, "", "0"]);
equal(
  await client.actions.gather({
    ids: [3, 1],
    days: ["2026-01-31", "2026-01-31"],
    moods: ["calm", 'lo"ud'],
    place: [1],
    parts: [{ name: "a&b" }],
    from_: "ä,b",
    exact: "0.29999999999999998",
  }),
  [[3, 1], ["2026-01-31", "2026-01-31"], ["calm", 'lo"ud'], [1, 0], [{ name: "a&b", parts: [] }], "ä,b", "0.29999999999999998"],
);
const found = await client.actions.look({ words: "w", since: null });
equal(found.pages.items.map((one) => one.title), ["one"]);
equal(found.parts["w"]?.[0]?.parts[0]?.name, "b");
equal(
  await client.actions.rearrange({ made: [{ type: "Oil", coats: ["c"] }, { type: "stone", weight: 1 }], where: { a: [1] } }),
  [{ type: "stone", weight: 1 }, { type: "Oil", brushWidth: 1.5, coats: ["c"] }],
);
equal(await client.actions.close(), null);

/** Never called. */
export async function wrong(): Promise<void> {
  // @ts-expect-error not shown
  await client.complaint.read("key");
  // @ts-expect-error only read
  await client.class.create({});
  // @ts-expect-error not offered
  client.secret;
  // @ts-expect-error neither oil nor stone
  await client.exhibit.create({ id: "a", made: { type: "wood" } });
  // @ts-expect-error no such floor
  await client.exhibit.create({ id: "a", floor: 7 });
}
console.log("done");
