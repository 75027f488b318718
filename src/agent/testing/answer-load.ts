// Runs in a pod's network namespace: answers `steady-load.ts` for both families, without a process for each connection. Prints `listening` when it does.
import { createServer, type Socket } from "node:net";
import { loadPorts } from "./load-ports.ts";

const listen = (port: number, answer: (socket: Socket) => void): Promise<void> =>
  new Promise((resolve) => {
    createServer({ noDelay: true }, (socket) => {
      // Who asked tells what went wrong.
      socket.on("error", () => {});
      answer(socket);
    }).listen(port, "::", resolve);
  });

await listen(loadPorts.echo, (socket) => void socket.pipe(socket));
await listen(loadPorts.service, (socket) => void socket.end("here\n"));
process.stdout.write("listening\n");
