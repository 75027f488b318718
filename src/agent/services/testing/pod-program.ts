import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { patience } from "#lib/runtime/testing/patience.ts";

// What runs in a pod of the packet test. It serves TCP and UDP on the ports of its arguments, answering with its name and whom it saw, and does
// what its standard input says: `ID tcp|udp HOST PORT [LOCAL PORT]`, answered by a line `ID ANSWER|refused|timeout`.

const [name = "", ...ports] = process.argv.slice(2);
const giveUpAfter = patience(800);

for (const port of ports.map(Number)) {
  createServer((socket) => socket.on("error", () => {}).end(`${name} ${plain(socket.remoteAddress)}`)).listen(port, "::");
  const socket = createSocket("udp6");
  socket.on("message", (_text, { address, port: from }) => socket.send(`${name} ${plain(address)}`, from, address)).bind(port, "::");
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const [id = "", protocol, host = "", port = "", from] = line.split(" ");
  const ask = protocol === "udp" ? askUdp : askTcp;
  void ask(host, Number(port), from === undefined ? undefined : Number(from)).then((answer) => process.stdout.write(`${id} ${answer}\n`));
});

function askTcp(host: string, port: number, localPort: number | undefined): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ host, port, ...(localPort === undefined ? {} : { localPort }) });
    socket.setTimeout(giveUpAfter, () => socket.destroy(new Error("timeout")));
    socket.on("data", (data) => {
      answer += String(data);
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", ({ message }) => resolve(message.includes("ECONNREFUSED") ? "refused" : message));
  });
}

function askUdp(host: string, port: number, localPort: number | undefined): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4" });
    const done = (answer: string): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => done("timeout"), giveUpAfter);
    socket.on("message", (data) => done(String(data)));
    socket.on("error", ({ message }) => done(message.includes("ECONNREFUSED") ? "refused" : message));
    socket.bind(localPort ?? 0, () => socket.connect(port, host));
    socket.on("connect", () => socket.send("?"));
  });
}

const plain = (address = ""): string => address.replace(/^::ffff:/, "");
