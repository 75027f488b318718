// A program of Kubernetes that only writes down how it was called, and answers as much as a lab waits for: node stand-in.ts NAME RECORD FLAGS…
import { appendFileSync, readFileSync } from "node:fs";
import { createServer } from "node:https";

const [name = "", record = "", ...args] = process.argv.slice(2);
const flag = (wanted: string): string => args.find((arg) => arg.startsWith(`--${wanted}=`))?.slice(wanted.length + 3) ?? "";

appendFileSync(record, `${JSON.stringify({ name, pid: process.pid, args })}\n`);
process.on("SIGTERM", () => {
  appendFileSync(record, `${JSON.stringify({ name, pid: process.pid, ended: true })}\n`);
  process.exit(0);
});
if (name === "kube-apiserver") {
  const tls = { cert: readFileSync(flag("tls-cert-file")), key: readFileSync(flag("tls-private-key-file")) };
  createServer(tls, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const created = request.method === "POST";
      response.writeHead(created ? 201 : 200, { "content-type": "application/json" });
      response.end(created ? Buffer.concat(chunks) : '{"metadata":{},"items":[]}');
    });
  }).listen(Number(flag("secure-port")), flag("advertise-address"));
} else setInterval(() => {}, 2 ** 31 - 1);
