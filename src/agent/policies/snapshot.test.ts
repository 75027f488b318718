import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Group, GroupMember } from "#core/api/controlplane/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import { errorCode, type Files, seededRandom } from "#lib/runtime/index.ts";
import { memoryFiles } from "#lib/runtime/testing/memory-files.ts";
import { findSnapshot, type PolicySnapshot, readSnapshot, writeSnapshot } from "./snapshot.ts";
import { type LineKind, lineKinds, lineOf, piecesOf } from "./snapshot-lines.ts";
import { sampleSnapshot } from "./testing/sample-snapshot.ts";

const earlier = await readFile(new URL("testing/snapshot-3.txt", import.meta.url));
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const member = (name: string): GroupMember => ({ pod: { namespace: "shop", name }, ips: [parseAddress("10.0.0.1")], ports: [] });

/** What is read of such bytes: the snapshot, or the code of the error. */
async function readOf(bytes: Uint8Array): Promise<unknown> {
  const { files, texts } = memoryFiles();
  texts.set("policies", Buffer.from(bytes).toString());
  return readSnapshot("policies", files).then(plain, (error: unknown) => errorCode(error) ?? error);
}

async function bytesOf(snapshot: PolicySnapshot): Promise<Buffer> {
  return Buffer.concat(await piecesWritten(snapshot));
}

async function piecesWritten(snapshot: PolicySnapshot): Promise<readonly Uint8Array[]> {
  let pieces: readonly Uint8Array[] = [];
  const files: Files = {
    ...memoryFiles().files,
    async replace(_path, content) {
      pieces = content as readonly Uint8Array[];
    },
  };
  await writeSnapshot("policies", snapshot, files);
  return pieces;
}

test("a snapshot is read as it was written, and a damaged one is refused and set aside", async () => {
  const folder = await mkdtemp(join(tmpdir(), "policy-snapshot-"));
  const file = join(folder, "policies");
  try {
    assert.equal(await readSnapshot(file), undefined);
    const length = await writeSnapshot(file, sampleSnapshot);
    assert.deepEqual(plain(await readSnapshot(file)), plain(sampleSnapshot));
    const text = await readFile(file, "utf8");
    assert.equal(length, Buffer.byteLength(text));
    await writeFile(file, text.slice(0, -40));
    await assert.rejects(readSnapshot(file), { code: "DAMAGED_SNAPSHOT" });
    await writeFile(file, text.replace("shop", "shod"));
    await assert.rejects(readSnapshot(file), { code: "DAMAGED_SNAPSHOT" });
    // A start sets it aside, says why, and finds none from then on.
    const found = await findSnapshot(file);
    assert.equal(found.snapshot, undefined);
    assert.match(found.problem ?? "", /checksum of line 2 is wrong.*kept as .*policies\.damaged/);
    assert.equal(await readFile(`${file}.damaged`, "utf8"), text.replace("shop", "shod"));
    assert.deepEqual(await findSnapshot(file), { snapshot: undefined, problem: undefined });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("what an earlier version wrote is read, and what it did not write is refused", async () => {
  assert.deepEqual(await readOf(earlier), plain(sampleSnapshot));
  for (let index = 0; index < earlier.length; index += 97) {
    assert.equal(await readOf(withByte(earlier, index, 1)), "DAMAGED_SNAPSHOT", `byte ${index}`);
    assert.equal(await readOf(earlier.subarray(0, index)), "DAMAGED_SNAPSHOT", `cut at ${index}`);
  }
});

test("an earlier version takes a snapshot of now for a damaged one", async () => {
  // It asks for the digest of the second line in the first one, behind the name of its own format.
  const [header = ""] = (await bytesOf(sampleSnapshot)).toString().split("\n");
  assert.match(header, /^antrea-policy-snapshot\/4 [0-9a-f]{64}$/);
});

test("whatever byte is another one, and wherever a snapshot is cut, it is refused", async () => {
  const few: PolicySnapshot = { ...sampleSnapshot, addressGroups: sampleSnapshot.addressGroups.map(cutShort) };
  const bytes = await bytesOf(few);
  assert.deepEqual(await readOf(bytes), plain(few));
  for (let index = 0; index < bytes.length; index++) {
    assert.equal(await readOf(withByte(bytes, index, 1 << (index % 8))), "DAMAGED_SNAPSHOT", `byte ${index}`);
    assert.equal(await readOf(bytes.subarray(0, index)), "DAMAGED_SNAPSHOT", `cut at ${index}`);
  }
  assert.equal(await readOf(Buffer.concat([bytes, Buffer.from("\n")])), "DAMAGED_SNAPSHOT");
});

test("a line that is missing, stands elsewhere, comes twice or is of another snapshot is noticed", async () => {
  const pieces = await piecesWritten(sampleSnapshot);
  const [, foreign = Buffer.from("")] = await piecesWritten({
    ...sampleSnapshot,
    policies: sampleSnapshot.policies.map((each) => ({ ...each, generation: 9 })),
  });
  for (const [at, piece] of pieces.entries()) {
    const [before, after] = [pieces.slice(0, at), pieces.slice(at + 1)];
    const [next = Buffer.from(""), ...rest] = after;
    const changed = { missing: [...before, ...after], twice: [...before, piece, piece, ...after], foreign: [...before, foreign, ...after] };
    for (const [what, lines] of Object.entries({ ...changed, ...(after.length > 0 && { moved: [...before, next, piece, ...rest] }) }))
      assert.equal(await readOf(Buffer.concat(lines)), "DAMAGED_SNAPSHOT", `line ${at + 1} ${what}`);
  }
});

test("lines with right checksums that say what no agent says are a damaged snapshot, or a snapshot, and nothing worse", async () => {
  const random = seededRandom(1);
  const values = [
    null,
    true,
    -1,
    1e300,
    "",
    "x",
    [],
    {},
    [[]],
    [null],
    { metadata: null },
    { metadata: { name: "x" } },
    { In: [] },
    { __proto__: 1 },
  ];
  const any = <Item>(items: readonly Item[]): Item => items[random.below(items.length)] as Item;
  const real = (await piecesWritten(sampleSnapshot)).slice(1).map((piece): [LineKind, unknown] => {
    const [, kind, ...json] = Buffer.from(piece).toString().split(" ");
    return [kind as LineKind, JSON.parse(json.join(" "))];
  });
  let refused = 0;
  for (let round = 0; round < 1_000; round++) {
    const lines = real.slice(0, 1 + random.below(real.length));
    const at = random.below(lines.length);
    lines[at] =
      random.below(2) === 0
        ? [any(lineKinds), any(values)]
        : [(lines[at] as [LineKind, unknown])[0], changedSomewhere(lines[at]?.[1], any(values), random)];
    const read = await readOf(Buffer.concat(piecesOf(lines.map(([kind, value]) => lineOf(kind, JSON.stringify(value))))));
    if (read === "DAMAGED_SNAPSHOT") refused++;
    else assert.ok(typeof read === "object" && read !== null && "openPorts" in read, String(read));
  }
  assert.ok(refused > 250, `${refused} refused`);
});

test("only what changed is made anew: of a large group that a pod joined or left, the lines beside it stay", async () => {
  const everybody = Array.from({ length: 20_000 }, (_, index) => member(`pod-${index}`));
  const large = (members: readonly GroupMember[]): Group => ({ name: "large", uid: "large", members });
  const others = Array.from(
    { length: 50 },
    (_, index): Group => ({ name: `g-${index}`, uid: `g-${index}`, members: [member(`m-${index}`)] }),
  );
  let known = new Set<Uint8Array>();
  const fresh = async (members: readonly GroupMember[]): Promise<number> => {
    const snapshot = { ...sampleSnapshot, addressGroups: [...others, large(members)] };
    const pieces = await piecesWritten(snapshot);
    assert.deepEqual(await readOf(Buffer.concat(pieces)), plain(snapshot));
    const bytes = pieces.filter((piece) => !known.has(piece)).reduce((sum, { byteLength }) => sum + byteLength, 0);
    known = new Set(pieces);
    return bytes;
  };
  const all = await fresh(everybody);
  const joined = [...everybody, member("late")];
  const steps = [joined, joined.slice(1), joined.filter((_, index) => index !== 10_000), joined.filter((_, index) => index % 500 !== 7)];
  for (const members of steps.slice(0, 3)) assert.ok((await fresh(members)) < all / 20);
  // One of each 500 left: still most of it stays.
  const many = await fresh(steps[3] ?? []);
  assert.ok(many < all / 2, `${many} of ${all} bytes`);
});

test("however members come and go, what is written is what there is, in lines that are neither too many nor too long", async () => {
  const random = seededRandom(7);
  let members: GroupMember[] = [];
  for (let round = 0; round < 120; round++) {
    const joining = random.below(4) === 0 ? random.below(400) : random.below(3);
    for (let each = 0; each < joining; each++) members.splice(random.below(members.length + 1), 0, member(`pod-${round}-${each}`));
    const [from, count] = [random.below(members.length + 1), random.below(4) === 0 ? random.below(300) : random.below(3)];
    members = members.filter((_, index) => index < from || index >= from + count);
    const snapshot = { ...sampleSnapshot, addressGroups: [{ name: "all", uid: "all", members: [...members] }] };
    const pieces = await piecesWritten(snapshot);
    const lines = pieces
      .map((piece) => Buffer.from(piece).toString())
      .filter((line) => line.includes(" addressGroup ") || line.includes(" members "));
    const said = lines.slice(1, lines.length - 1).map((line) => JSON.parse(line.slice(line.indexOf("["))).length as number);
    assert.ok(
      said.every((length) => length <= 128) && said.length <= 2 + members.length / 40,
      `${members.length} members in lines of ${said.join()}`,
    );
    assert.deepEqual(await readOf(Buffer.concat(pieces)), plain(snapshot));
  }
});

const cutShort = (group: Group): Group => ({ ...group, members: group.members.slice(0, 4) });

function withByte(bytes: Buffer, index: number, flipped: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[index] = (changed[index] ?? 0) ^ flipped;
  return changed;
}

/** The same JSON with `other` in one place. */
function changedSomewhere(value: unknown, other: unknown, random: { below(limit: number): number }): unknown {
  if (typeof value !== "object" || value === null) return other;
  const entries = Object.entries(value);
  if (entries.length === 0 || random.below(4) === 0) return other;
  const [name = ""] = entries[random.below(entries.length)] ?? [];
  const changed = entries.map(([key, each]) => [key, key === name ? changedSomewhere(each, other, random) : each] as const);
  return Array.isArray(value) ? changed.map(([, each]) => each) : Object.fromEntries(changed);
}
