import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { randomInt } from "node:crypto";
import {
  type AnswerRecord,
  addressQuery,
  createMessageSplitter,
  createNameReader,
  type DnsMessage,
  decodeMessage,
  encodeMessage,
  framed,
  recordType,
} from "#lib/dns/index.ts";
import { tryParseAddress } from "#lib/ip/index.ts";
import { deadline } from "#lib/runtime/deadline.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { parseResolvConf } from "../../kubelet/dns.ts";

/** What the stock program waits per try, and how often it tries. */
const patience = seconds(5);
const tries = 3;

const types: Readonly<Record<string, number>> = {
  A: recordType.a,
  AAAA: recordType.aaaa,
  CNAME: recordType.cname,
  PTR: recordType.ptr,
  SRV: recordType.srv,
  TXT: recordType.txt,
};

/**
 * `dig [@SERVER] [-p PORT] [-x ADDRESS] [+tcp] [+search] [+short] NAME [TYPE]`: prints the answers, one a line. As much of BIND's program as suites that test
 * cluster DNS call: other flags are taken and passed over, and of the sections there is the answer alone. Exit code 9: no server answered.
 */
export async function dig(args: readonly string[], print: (line: string) => void): Promise<number> {
  const resolver = parseResolvConf(readFileSync("/etc/resolv.conf", "utf8"));
  const flags = new Set(args.filter((arg) => arg.startsWith("+")));
  const server = args.find((arg) => arg.startsWith("@"))?.slice(1) ?? resolver.servers[0] ?? "127.0.0.1";
  const reversed = args[args.indexOf("-x") + 1];
  const port = args.includes("-p") ? Number(args[args.indexOf("-p") + 1]) : 53;
  const words = args.filter((arg, index) => !/^[+@-]/.test(arg) && args[index - 1] !== "-p");
  const [asked, type] = args.includes("-x")
    ? [reverseName(reversed ?? ""), recordType.ptr]
    : [words.find((word) => types[word.toUpperCase()] === undefined) ?? "", words.flatMap((word) => types[word.toUpperCase()] ?? [])[0]];
  let answers: readonly AnswerRecord[] | undefined;
  for (const name of candidates(asked, flags.has("+search") ? resolver : { searches: [], options: [] })) {
    const message = await ask({ name, type: type ?? recordType.a, server: { host: server, port }, tcp: flags.has("+tcp") });
    if (message === undefined) return 9;
    answers = message.answers;
    if (message.rcode === 0 && answers.length > 0) break;
  }
  for (const answer of answers ?? []) {
    const { name, data } = textOf(answer);
    print(flags.has("+short") ? data.slice(data.indexOf("\t") + 1) : `${name}.\t${answer.ttl}\tIN\t${data}`);
  }
  return 0;
}

/** The names to try, as resolv.conf(5) orders them: one with fewer dots than `ndots` last as it is. */
function candidates(name: string, { searches, options }: { readonly searches: readonly string[]; readonly options: readonly string[] }) {
  if (name.endsWith(".") || searches.length === 0) return [name];
  const ndots = Number(options.find((option) => option.startsWith("ndots:"))?.slice("ndots:".length) ?? 1);
  const searched = searches.map((domain) => `${name}.${domain.replace(/\.$/, "")}`);
  return name.split(".").length - 1 >= ndots ? [name, ...searched] : [...searched, name];
}

function reverseName(text: string): string {
  const address = tryParseAddress(text);
  if (address === undefined) return text;
  const bytes = [...address.bytes()];
  if (address.family === 4) return `${bytes.toReversed().join(".")}.in-addr.arpa`;
  const digits = bytes.flatMap((byte) => [...byte.toString(16).padStart(2, "0")]);
  return `${digits.toReversed().join(".")}.ip6.arpa`;
}

interface Server {
  readonly host: string;
  readonly port: number;
}

interface Asking {
  readonly name: string;
  readonly type: number;
  readonly server: Server;
  readonly tcp: boolean;
}

async function ask({ name, type, server, tcp }: Asking): Promise<DnsMessage | undefined> {
  const query = addressQuery({ id: randomInt(0x1_0000), name, family: 4, udpPayload: 1_232 });
  const question = encodeMessage({ ...query, questions: query.questions.map((wanted) => ({ ...wanted, type })) });
  for (let attempt = 0; attempt < tries; attempt++) {
    const answer = await (tcp ? exchangeTcp(question, server) : exchangeUdp(question, server));
    const decoded = answer === undefined ? undefined : decodeMessage(answer);
    if (decoded?.ok !== true || decoded.message.id !== query.id) continue;
    if (!decoded.message.truncated) return decoded.message;
    tcp = true;
  }
  return undefined;
}

function exchangeUdp(question: Uint8Array, { host, port }: Server): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    const end = (answer?: Uint8Array): void => {
      waiting.cancel();
      socket.removeAllListeners().close();
      resolve(answer);
    };
    const waiting = deadline(patience, () => end());
    socket.once("error", () => end()).once("message", end);
    socket.connect(port, host, () => socket.send(question));
  });
}

function exchangeTcp(question: Uint8Array, { host, port }: Server): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const splitter = createMessageSplitter();
    const end = (answer?: Uint8Array): void => {
      waiting.cancel();
      socket.destroy();
      resolve(answer);
    };
    const waiting = deadline(patience, () => end());
    socket.once("connect", () => socket.write(framed(question)));
    socket.on("error", () => end()).on("close", () => end());
    socket.on("data", (chunk: Buffer) => {
      const [answer] = splitter.push(chunk);
      if (answer !== undefined) end(answer);
    });
  });
}

function textOf(answer: AnswerRecord): { readonly name: string; readonly data: string } {
  const { name } = answer;
  if (answer.kind === "address") return { name, data: `${answer.address.family === 4 ? "A" : "AAAA"}\t${answer.address}` };
  if (answer.kind === "alias") return { name, data: `CNAME\t${answer.target}.` };
  const { type, bytes } = answer;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const nameAt = (at: number): string => `${createNameReader(bytes).read(at)?.name ?? "?"}.`;
  if (type === recordType.ptr) return { name, data: `PTR\t${nameAt(0)}` };
  if (type === recordType.srv && bytes.length > 6)
    return { name, data: `SRV\t${view.getUint16(0)} ${view.getUint16(2)} ${view.getUint16(4)} ${nameAt(6)}` };
  if (type === recordType.txt) return { name, data: `TXT\t${JSON.stringify(Buffer.from(bytes.subarray(1)).toString())}` };
  return { name, data: `TYPE${type}\t\\# ${bytes.length} ${Buffer.from(bytes).toString("hex")}` };
}
