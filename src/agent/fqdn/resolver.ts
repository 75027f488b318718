import { createSocket } from "node:dgram";
import { connect as connectTcp } from "node:net";
import { type AddressAnswer, answersOf } from "#core/fqdn/index.ts";
import {
  addressQuery,
  canonicalName,
  createMessageSplitter,
  type DnsMessage,
  decodeMessage,
  encodeMessage,
  framed,
} from "#lib/dns/index.ts";
import type { Family } from "#lib/ip/index.ts";
import { errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { NoDnsAnswer } from "./errors.ts";

export interface DnsServer {
  readonly address: string;
  readonly port: number;
}

/** Asks for addresses of names. */
export interface NameResolver {
  /** What the first server that answers says; rejects with {@link NoDnsAnswer}. */
  resolve(name: string, family: Family, signal: AbortSignal): Promise<AddressAnswer>;
  /** Servers of now that have answered none of the last questions, and why. */
  silent(): readonly { readonly server: DnsServer; readonly reason: string }[];
}

/** One server's time for one try. */
const patience = seconds(2);
/** Tries in all, servers in turn. */
const tries = 4;
/** A datagram may be lost: a server that has not answered so many times in a row is silent. */
const silentAfter = 3;
/** What fits most paths without fragments (DNS flag day 2020). */
const udpPayload = 1_232;

/**
 * Over UDP from a new port with a new id for each question, as guesses are all that somebody off the path could send; over TCP what was cut. `servers`
 * is asked anew for each question.
 */
export function createNameResolver({
  runtime,
  servers,
}: {
  readonly runtime: Runtime;
  readonly servers: () => readonly DnsServer[];
}): NameResolver {
  const unanswered = new Map<string, { count: number; reason: string }>();
  const ask = async (server: DnsServer, query: DnsMessage, signal: AbortSignal): Promise<DnsMessage> => {
    try {
      const answer = await within(runtime, signal, (end) => overUdp(server, query, end));
      const whole = answer.truncated ? await within(runtime, signal, (end) => overTcp(server, query, end)) : answer;
      unanswered.delete(keyOf(server));
      return whole;
    } catch (error) {
      const count = (unanswered.get(keyOf(server))?.count ?? 0) + 1;
      if (!signal.aborted) unanswered.set(keyOf(server), { count, reason: errorMessage(error) });
      throw error;
    }
  };
  return {
    silent() {
      const now = new Map(servers().map((server) => [keyOf(server), server]));
      for (const key of unanswered.keys()) if (!now.has(key)) unanswered.delete(key);
      return [...now].flatMap(([key, server]) => {
        const found = unanswered.get(key);
        return found === undefined || found.count < silentAfter ? [] : [{ server, reason: found.reason }];
      });
    },
    async resolve(name, family, signal) {
      let reason = "there is no DNS server";
      for (let turn = 0; turn < tries; turn++) {
        signal.throwIfAborted();
        const all = servers();
        const server = all[turn % all.length];
        if (server === undefined) break;
        const query = addressQuery({ id: runtime.random.below(0x1_0000), name, family, udpPayload });
        try {
          const message = await ask(server, query, signal);
          const [answer] = answersOf(message);
          if (answer !== undefined) return answer;
          reason = `${server.address} answers with code ${message.rcode}`;
        } catch (error) {
          signal.throwIfAborted();
          reason = `${server.address}: ${error instanceof Error ? error.message : String(error)}`;
        }
      }
      throw new NoDnsAnswer(name, reason);
    },
  };
}

const keyOf = ({ address, port }: DnsServer): string => `${address} ${port}`;

/** Runs with a signal of its own, which aborts after {@link patience} and when all is over. */
async function within<T>(runtime: Runtime, signal: AbortSignal, run: (end: AbortSignal) => Promise<T>): Promise<T> {
  const end = new AbortController();
  const both = AbortSignal.any([signal, end.signal]);
  const late = sleep(runtime.clock, patience, both).then(
    () => Promise.reject(new Error("no answer")),
    () => new Promise<never>(() => {}),
  );
  try {
    return await Promise.race([run(both), late]);
  } finally {
    end.abort();
  }
}

function overUdp(server: DnsServer, query: DnsMessage, end: AbortSignal): Promise<DnsMessage> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: server.address.includes(":") ? "udp6" : "udp4", signal: end });
    socket.on("error", reject);
    // Connected: the kernel takes packets of this server alone.
    socket.connect(server.port, server.address, () => socket.send(encodeMessage(query)));
    socket.on("message", (bytes) => {
      const message = answerTo(query, bytes);
      if (message !== undefined) resolve(message);
    });
  });
}

function overTcp(server: DnsServer, query: DnsMessage, end: AbortSignal): Promise<DnsMessage> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: server.address, port: server.port, signal: end });
    const splitter = createMessageSplitter();
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed without an answer")));
    socket.on("connect", () => socket.write(framed(encodeMessage(query))));
    socket.on("data", (chunk: Uint8Array) => {
      for (const bytes of splitter.push(chunk)) {
        const message = answerTo(query, bytes);
        if (message !== undefined) resolve(message);
      }
    });
  });
}

/** The message if it answers the query: its id, its question. */
function answerTo({ id, questions: [asked] }: DnsMessage, bytes: Uint8Array): DnsMessage | undefined {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok || !decoded.message.response || decoded.message.id !== id) return undefined;
  const [question] = decoded.message.questions;
  const same = question?.type === asked?.type && canonicalName(question?.name ?? "") === canonicalName(asked?.name ?? "");
  return same ? decoded.message : undefined;
}
