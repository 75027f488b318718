import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { type AnswerRecord, classIn, createMessageSplitter, decodeMessage, encodeMessage, framed, recordType } from "#lib/dns/index.ts";
import { tryParseAddress } from "#lib/ip/index.ts";

// A DNS server in a pod of the packet test, on port 53 of all addresses: `NAME=TTL,ADDRESS,…` for each argument, `*` for any other name; of several such values with `|` between
// them each question of a family gets the next, and the last one for good. Over UDP it cuts answers of more than four addresses. A name that is not there does not exist.
const zone = new Map(
  process.argv.slice(2).map((text) => {
    const [name = "", values = ""] = text.split("=");
    const states = values.split("|").map((value) => {
      const [ttl = "0", ...addresses] = value.split(",");
      return { ttl: Number(ttl), addresses: addresses.flatMap((address) => tryParseAddress(address) ?? []) };
    });
    return [name, { states, asked: { 4: 0, 6: 0 } }];
  }),
);

function answer(bytes: Uint8Array, udp: boolean): Uint8Array | undefined {
  const query = decodeMessage(bytes);
  const question = query.ok ? query.message.questions[0] : undefined;
  if (!query.ok || question === undefined) return undefined;
  const entry = zone.get(question.name.toLowerCase()) ?? zone.get("*");
  const family = question.type === recordType.aaaa ? 6 : 4;
  const found = entry?.states[Math.min(entry.asked[family]++, entry.states.length - 1)];
  const alias = "real.cdn.example";
  const addresses = (found?.addresses ?? []).filter((address) => address.family === family);
  const records: AnswerRecord[] = addresses.map((address) => ({
    kind: "address",
    name: alias,
    class: classIn,
    ttl: found?.ttl ?? 0,
    address,
  }));
  const chain: AnswerRecord = { kind: "alias", name: question.name, class: classIn, ttl: 60, target: alias };
  const truncated = udp && records.length > 4;
  return encodeMessage({
    id: query.message.id,
    response: true,
    opcode: 0,
    rcode: found === undefined ? 3 : 0,
    questions: [question],
    answers: found === undefined || truncated ? [] : [chain, ...records],
    ...(truncated ? { truncated } : {}),
  });
}

for (const type of ["udp4", "udp6"] as const) {
  const socket = createSocket({ type, ipv6Only: type === "udp6" });
  socket.on("message", (bytes, from) => {
    const reply = answer(bytes, true);
    if (reply !== undefined) socket.send(reply, from.port, from.address);
  });
  socket.bind(53, type === "udp4" ? "0.0.0.0" : "::");
}
createServer((socket) => {
  const splitter = createMessageSplitter();
  socket.on("error", () => {});
  socket.on("data", (chunk: Uint8Array) => {
    for (const message of splitter.push(chunk)) {
      const reply = answer(message, false);
      // In two segments: a reader has to put them together.
      if (reply === undefined) continue;
      const bytes = framed(reply);
      socket.setNoDelay(true);
      socket.write(bytes.subarray(0, 20));
      setImmediate(() => socket.write(bytes.subarray(20)));
    }
  });
}).listen(53, "::", () => process.stdout.write("ready\n"));
