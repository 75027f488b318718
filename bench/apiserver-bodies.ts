import { Agent, request as httpsRequest } from "node:https";
import { createWideBodies } from "./wide-bodies.ts";
import { startServerProcess } from "./api-server.ts";
import type { Bench } from "./bench.ts";

/** How often another client asks for something small meanwhile. */
const askedEveryMs = 4;

/**
 * Bodies of up to 3 MiB that consist of nothing but fields, each beside a client whose small requests are timed. The goal is the server's longest stretch
 * of work on a body without a turn for others, as processor time: others also wait for whatever else the machine does.
 */
export const bench: Bench = {
  goals: { stretch_ms: { atMost: 100 } },
  async run({ print }) {
    const server = await startServerProcess({ stretches: true });
    const agent = new Agent({ keepAlive: true, maxSockets: 4, ...server.connection });
    const send = (method: string, path: string, body?: Buffer, type = "application/json"): Promise<{ code: number; text: string }> =>
      new Promise((resolve, reject) => {
        const headers = body === undefined ? {} : { "content-type": type, "content-length": body.length };
        const { host, port } = server.connection;
        const request = httpsRequest({ host, port, agent, method, path, headers }, (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.once("end", () =>
            resolve({ code: answer.statusCode ?? 0, text: Buffer.concat(chunks).subarray(0, 4_096).toString("latin1") }),
          );
        });
        request.once("error", reject);
        request.end(body);
      });
    const small = Buffer.from(JSON.stringify({ spec: { size: 1 } }));
    const gadgets = "/apis/test.antrea.io/v1/namespaces/default/gadgets";
    let longest = 0;
    const over = new AbortController();
    const beside = async (): Promise<void> => {
      for (let number = 0; !over.signal.aborted; number++) {
        const started = performance.now();
        if (number % 2 === 0) await send("GET", `${gadgets}/small`);
        else await send("PATCH", `${gadgets}/small`, small, "application/merge-patch+json");
        longest = Math.max(longest, performance.now() - started);
        await new Promise((resolve) => setTimeout(resolve, askedEveryMs));
      }
    };
    try {
      await send("POST", gadgets, Buffer.from(JSON.stringify({ metadata: { name: "small" } })));
      const other = beside();
      let [worst, worstStretch] = [0, 0];
      for (const { name, before = [], request } of createWideBodies()) {
        for (const [method, path, body, type] of before) await send(method, path, body, type);
        await new Promise((resolve) => setTimeout(resolve, 300));
        longest = 0;
        await send("GET", "/longest-stretch");
        const started = performance.now();
        const { code, text } = await send(...request);
        const took = performance.now() - started;
        // the others' last answers
        await new Promise((resolve) => setTimeout(resolve, 50));
        worst = Math.max(worst, longest);
        const stretch = Number((await send("GET", "/longest-stretch")).text) / 1_000;
        worstStretch = Math.max(worstStretch, stretch);
        const said = code < 300 ? "" : (/"message":"([^"]{0,60})/.exec(text)?.[1] ?? "");
        print(
          `${name.padEnd(52)} ${String(code).padEnd(4)} ${took.toFixed(0).padStart(6)} ms, longest stretch ${stretch.toFixed(0).padStart(4)} ms of processor time, others waited ${longest.toFixed(0).padStart(4)} ms ${said}`,
        );
      }
      over.abort();
      await other;
      return { stretch_ms: worstStretch, others_ms: worst };
    } finally {
      over.abort();
      agent.destroy();
      await server.stop();
    }
  },
};
