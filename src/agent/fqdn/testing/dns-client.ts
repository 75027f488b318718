import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { addressQuery, createMessageSplitter, decodeMessage, encodeMessage, framed } from "#lib/dns/index.ts";

// A client in a pod of the packet test. A line `ID udp|tcp SERVER NAME FAMILY PORT` asks the server and connects to the first address at once; the answer
// is a line `ID ok ADDRESS MS`, `ID closed ADDRESS`, `ID none` or `ID timeout`. PORT 0: only ask.
// `ID connect ADDRESS - 4 PORT` only connects.
const patience = 6_000;
const first = 700;

createInterface({ input: process.stdin }).on("line", (line) => {
  const [id = "", protocol = "", server = "", name = "", family = "4", port = "0"] = line.split(" ");
  void run(protocol, server, name, family === "6" ? 6 : 4, Number(port)).then((text) => process.stdout.write(`${id} ${text}\n`));
});
process.stdout.write("0 ready\n");

async function run(protocol: string, server: string, name: string, family: 4 | 6, port: number): Promise<string> {
  if (protocol === "connect") return (await connects(server, port)) ? "ok" : "closed";
  const begun = performance.now();
  const answer = await (protocol === "tcp" ? overTcp : overUdp)(
    server,
    encodeMessage(addressQuery({ id: 7, name, family, udpPayload: 1_232 })),
  );
  if (answer === undefined) return "timeout";
  const decoded = decodeMessage(answer);
  if (!decoded.ok) return decoded.reason;
  if (decoded.message.truncated) return run("tcp", server, name, family, port);
  const record = decoded.message.answers.find(({ kind }) => kind === "address");
  if (record?.kind !== "address") return "none";
  if (port === 0) return `ok ${record.address} ${(performance.now() - begun).toFixed(2)}`;
  return `${(await connects(String(record.address), port)) ? "ok" : "closed"} ${record.address}`;
}

function overUdp(server: string, query: Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
    const done = (answer: Uint8Array | undefined): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => done(undefined), patience);
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
    socket.setTimeout(patience, () => done(undefined));
    socket.on("error", () => done(undefined));
    socket.on("connect", () => socket.write(framed(query)));
    socket.on("data", (chunk: Uint8Array) => {
      const [message] = splitter.push(chunk);
      if (message !== undefined) done(message.slice());
    });
  });
}

/** Whether the first SYN is answered: the second one, a second later, does not count. */
function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.setTimeout(first, () => done(false));
    socket.on("connect", () => done(true));
    socket.on("error", () => done(false));
  });
}
