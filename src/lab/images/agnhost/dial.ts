import { createSocket } from "node:dgram";
import { request } from "node:http";
import { isIPv6 } from "node:net";
import { deadline } from "#lib/runtime/deadline.ts";
import { seconds } from "#lib/runtime/duration.ts";

export interface DialRequest {
  readonly host: string;
  readonly port: number;
  readonly protocol: string;
  readonly request: string;
  readonly tries: number;
}

export interface DialResult {
  readonly responses?: readonly string[];
  readonly errors?: readonly string[];
  /** How the last try ended. */
  readonly succeeded: boolean;
}

const tryTimeout = seconds(5);

/** Sends the request `tries` times, one after the other. Never throws. */
export async function dial({ tries, ...target }: DialRequest): Promise<DialResult> {
  const responses: string[] = [];
  const errors: string[] = [];
  let succeeded = false;
  for (let index = 0; index < tries; index++) {
    try {
      responses.push(await (target.protocol === "udp" ? dialUdp(target) : dialHttp(target)));
      succeeded = true;
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error));
      succeeded = false;
    }
  }
  return { ...(responses.length === 0 ? {} : { responses }), ...(errors.length === 0 ? {} : { errors }), succeeded };
}

type Target = Omit<DialRequest, "tries">;

function dialHttp({ host, port, request: path }: Target): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: host.replace(/^\[|\]$/g, ""), port, path: `/${path.replace(/^\//, "")}`, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.once("error", reject);
      answer.once("end", () => resolve(text));
    });
    const waiting = deadline(tryTimeout, () => sent.destroy(new Error("i/o timeout")));
    sent.once("close", () => waiting.cancel());
    sent.once("error", reject);
    sent.end();
  });
}

function dialUdp({ host, port, request: payload }: Target): Promise<string> {
  const address = host.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    const waiting = deadline(tryTimeout, () => socket.emit("error", new Error("i/o timeout")));
    socket.once("error", (error) => {
      waiting.cancel();
      socket.close();
      reject(error);
    });
    socket.once("message", (message) => {
      waiting.cancel();
      socket.close();
      resolve(message.toString("utf8"));
    });
    socket.connect(port, address, () => socket.send(payload));
  });
}
