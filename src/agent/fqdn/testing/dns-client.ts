import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { addressQuery, createMessageSplitter, decodeMessage, encodeMessage, framed } from "#lib/dns/index.ts";

// A client in a pod of the packet test. A line `ID udp|tcp SERVER NAME FAMILY PORT WITHIN` asks the server and connects to the first address at once; the answer
// is a line `ID ok ADDRESS MS`, `ID closed ADDRESS`, `ID none` or `ID timeout`. PORT 0: only ask. What is not open after WITHIN milliseconds is closed.
// `ID connect ADDRESS - 4 PORT WITHIN` only connects.

createInterface({ input: process.stdin }).on("line", (line) => {
  const [id = "", protocol = "", server = "", name = "", family = "4", port = "0", within = "0"] = line.split(" ");
  const asked = { server, name, family: family === "6" ? 6 : 4, port: Number(port), withinMs: Number(within) } as const;
  void run(protocol, asked).then((text) => process.stdout.write(`${id} ${text}\n`));
});
process.stdout.write("0 ready\n");

interface Asked {
  readonly server: string;
  readonly name: string;
  readonly family: 4 | 6;
  readonly port: number;
  readonly withinMs: number;
}

async function run(protocol: string, asked: Asked): Promise<string> {
  const { server, name, family, port, withinMs } = asked;
  if (protocol === "connect") return (await connects(server, port, withinMs)) ? "ok" : "closed";
  const begun = performance.now();
  const answer = await (protocol === "tcp" ? overTcp : overUdp)(
    server,
    encodeMessage(addressQuery({ id: 7, name, family, udpPayload: 1_232 })),
  );
  if (answer === undefined) return "timeout";
  const decoded = decodeMessage(answer);
  if (!decoded.ok) return decoded.reason;
  if (decoded.message.truncated) return run("tcp", asked);
  const record = decoded.message.answers.find(({ kind }) => kind === "address");
  if (record?.kind !== "address") return "none";
  if (port === 0) return `ok ${record.address} ${(performance.now() - begun).toFixed(2)}`;
  return `${(await connects(String(record.address), port, withinMs)) ? "ok" : "closed"} ${record.address}`;
}

function overUdp(server: string, query: Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
    const done = (answer: Uint8Array | undefined): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => done(undefined), amplePatience);
    socket.on("message", done);
    socket.send(query, 53, server);
  });
}

function overTcp(server: string, query: Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: server, port: 53 });
    const splitter = createMessageSplitter();
    const done = (answer: Uint8Array | undefined): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(amplePatience, () => done(undefined));
    socket.on("error", () => done(undefined));
    socket.on("connect", () => socket.write(framed(query)));
    socket.on("data", (chunk: Uint8Array) => {
      const [message] = splitter.push(chunk);
      if (message !== undefined) done(message.slice());
    });
  });
}

/** Whether the first SYN is answered: further ones do not leave this pod. */
function connects(host: string, port: number, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.setTimeout(withinMs, () => done(false));
    socket.on("connect", () => done(true));
    socket.on("error", () => done(false));
  });
}
