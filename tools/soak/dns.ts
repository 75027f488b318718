// Malformed DNS messages by the million: `node tools/soak/dns.ts [SEED [COUNT]]`, and a pass of `npm run soak`.
import { fileURLToPath } from "node:url";
import { type AnswerRecord, createMessageSplitter, decodeMessage, encodeMessage, framed } from "../../src/lib/dns/index.ts";
import { IpAddress } from "../../src/lib/ip/index.ts";
import { errorMessage } from "../../src/lib/runtime/errors.ts";
import { type Random, seededRandom, systemRandom } from "../../src/lib/runtime/random.ts";
import { nextTurn, type PassOptions, playAlone } from "./pass.ts";

const defaultCount = 1_200_000;
/** Some tenth of a second. */
const messagesAtOnce = 1_000;
/** No message of ours may take this long to read: one of 64 KiB that points everywhere takes 3 to 15. */
const slowestMs = 100;

interface DnsPassResult {
  readonly decoded: number;
  readonly refused: number;
  readonly seconds: number;
  readonly slowestMs: number;
  readonly wrong: readonly string[];
}

/** Reads `count` messages that are damaged by the seed, or fewer when `signal` aborts: every one is read or refused, never thrown at and never slow. */
async function malformedDns(seed: number, count: number, signal: AbortSignal): Promise<DnsPassResult> {
  const random = seededRandom(seed);
  const splitter = createMessageSplitter();
  const wrong: string[] = [];
  let decoded = 0;
  let refused = 0;
  let slowest = 0;
  const started = performance.now();
  for (let index = 0; index < count && wrong.length < 10; index++) {
    if (index % messagesAtOnce === 0) await nextTurn();
    if (signal.aborted) break;
    const bytes = index % 5_000 === 0 ? pointingEverywhere(random) : damaged(random);
    const before = performance.now();
    try {
      if (decodeMessage(bytes).ok) decoded++;
      else refused++;
      // Of the stream only that it bounds what it keeps, whatever lengths it is told.
      for (const message of splitter.push(random.below(4) === 0 ? bytes : framed(bytes))) decodeMessage(message);
    } catch (error) {
      wrong.push(`${errorMessage(error)}: ${Buffer.from(bytes).toString("hex").slice(0, 400)}`);
    }
    const passed = performance.now() - before;
    const took = passed > slowestMs / 10 ? leastTime(() => decodeMessage(bytes)) : passed;
    slowest = Math.max(slowest, took);
    if (took > slowestMs) wrong.push(`${took.toFixed(0)} ms for ${bytes.length} bytes (message ${index} of seed ${seed})`);
    if (splitter.kept > 0x1_0001) wrong.push(`${splitter.kept} bytes kept of a stream`);
  }
  return { decoded, refused, seconds: (performance.now() - started) / 1_000, slowestMs: slowest, wrong };
}

/** What it takes when nothing else is in the way: the least of several. */
function leastTime(run: () => unknown): number {
  const times = Array.from({ length: 5 }, () => {
    const before = performance.now();
    run();
    return performance.now() - before;
  });
  return Math.min(...times);
}

const names = ["a.example.com", "www.example.com", "cdn.net", "x.y.z.cdn.net", "example.com"] as const;

function damaged(random: Random): Uint8Array {
  const bytes = encodeMessage({
    id: random.below(0x1_0000),
    response: true,
    opcode: 0,
    rcode: 0,
    questions: [{ name: pick(random), type: 1, class: 1 }],
    answers: Array.from({ length: random.below(6) }, () => anyRecord(random)),
    ...(random.below(2) === 0 ? { edns: { udpPayload: 1_232, version: 0 } } : {}),
  }).slice();
  for (let faults = 1 + random.below(4); faults > 0; faults--) bytes[random.below(bytes.length)] = fault(random);
  return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

/** Numbers that mean something to a parser come up more often. */
function fault(random: Random): number {
  const telling = [0, 1, 0x3f, 0x40, 0xc0, 0xff, 0x0c];
  return random.below(2) === 0 ? random.below(256) : (telling[random.below(telling.length)] ?? 0);
}

function anyRecord(random: Random): AnswerRecord {
  const common = { name: pick(random), class: 1, ttl: random.below(300) };
  switch (random.below(4)) {
    case 0:
      return { kind: "alias", ...common, target: pick(random) };
    case 1:
      return { kind: "address", ...common, address: IpAddress.fromBytes(random.bytes(16)) };
    case 2:
      return { kind: "other", ...common, type: 16, bytes: random.bytes(random.below(20)) };
    default:
      return { kind: "address", ...common, address: IpAddress.fromBytes(random.bytes(4)) };
  }
}

const pick = (random: Random): string => names[random.below(names.length)] ?? "a";

/** 64 KiB of which every record's owner is another place of one long name. */
function pointingEverywhere(random: Random): Uint8Array {
  const bytes = new Uint8Array(0xffff);
  bytes.set([0, 1, 0x81, 0x80, 0, 1, 0xff, 0xff]);
  let at = 12;
  for (let label = 0; label < 126; label++, at += 2) bytes.set([1, 0x61], at);
  bytes.set([0, 0, 1, 0, 1], at);
  at += 5;
  while (at + 14 < bytes.length) {
    const target = random.below(3) === 0 ? 12 + 2 * random.below(126) : Math.max(12, at - 14 * (1 + random.below(3)));
    bytes.set([0xc0 | ((target >> 8) & 0x3f), target & 0xff, 0, 5, 0, 1, 0, 0, 0, 1, 0, 2, 0xc0, 12 + 2 * random.below(121)], at);
    at += 14;
  }
  return bytes;
}

/** Resolves with what was wrong of so many messages. */
export async function dnsPass({ seed, print, signal }: PassOptions, count = defaultCount): Promise<readonly string[]> {
  const { decoded, refused, seconds, slowestMs: slowest, wrong } = await malformedDns(seed, count, signal);
  print(
    `malformed DNS: ${decoded + refused} messages in ${seconds.toFixed(1)} s, ${decoded} read, ${refused} refused, slowest ${slowest.toFixed(1)} ms`,
  );
  return wrong.map((line) => `malformed DNS: ${line}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [seed = String(systemRandom.below(2 ** 32)), count] = process.argv.slice(2);
  await playAlone((options) => dnsPass(options, count === undefined ? defaultCount : Number(count)), Number(seed));
}
