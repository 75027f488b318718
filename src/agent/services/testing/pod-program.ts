import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";

// What runs in a pod of the packet test. It serves TCP and UDP on the ports of its arguments, answering with its name and whom it saw, and does
// what its standard input says: `ID WITHIN tcp|udp HOST PORT [LOCAL PORT]`, answered by a line `ID ANSWER|refused|timeout`, the last after WITHIN milliseconds from
// the packet on, however long this process took to send it.

const [name = "", ...ports] = process.argv.slice(2);

for (const port of ports.map(Number)) {
  createServer((socket) => socket.on("error", () => {}).end(`${name} ${plain(socket.remoteAddress)}`)).listen(port, "::");
  const socket = createSocket("udp6");
  socket.on("message", (_text, { address, port: from }) => socket.send(`${name} ${plain(address)}`, from, address)).bind(port, "::");
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const [id = "", within = "", protocol, host = "", port = "", from] = line.split(" ");
  const ask = protocol === "udp" ? askUdp : askTcp;
  const localPort = from === undefined ? undefined : Number(from);
  void ask({ host, port: Number(port), localPort, withinMs: Number(within) }).then((answer) => process.stdout.write(`${id} ${answer}\n`));
});

interface Question {
  readonly host: string;
  readonly port: number;
  readonly localPort: number | undefined;
  readonly withinMs: number;
}

function askTcp({ host, port, localPort, withinMs }: Question): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ host, port, ...(localPort === undefined ? {} : { localPort }) });
    socket.setTimeout(withinMs, () => socket.destroy(new Error("timeout")));
    socket.on("data", (data) => {
      answer += String(data);
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", ({ message }) => resolve(message.includes("ECONNREFUSED") ? "refused" : message));
  });
}

function askUdp({ host, port, localPort, withinMs }: Question): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4" });
    const done = (answer: string): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    let timer = setTimeout(() => done("timeout"), withinMs);
    socket.on("message", (data) => done(String(data)));
    socket.on("error", ({ message }) => done(message.includes("ECONNREFUSED") ? "refused" : message));
    socket.bind(localPort ?? 0, () => socket.connect(port, host));
    socket.on("connect", () => {
      clearTimeout(timer);
      socket.send("?");
      timer = setTimeout(() => done("timeout"), withinMs);
    });
  });
}

const plain = (address = ""): string => address.replace(/^::ffff:/, "");
