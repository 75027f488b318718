import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { parseAddress } from "#lib/ip/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const run = promisify(execFile);
const patienceSeconds = amplePatience / 1_000;
/** One after the other. The switch asks about the first packet of each connection, by any of several threads: the first marker may overtake a try, the second begins behind its answer. */
const markers = 2;

export interface WaysOfPod {
  /** Network namespace of the pod. */
  readonly from: string;
  /** Addresses that may answer it or not. */
  readonly tried: readonly string[];
  /** Addresses that do answer it: each by a way that is at least as long. */
  readonly marking: readonly string[];
}

/**
 * Which of the addresses that are tried answer. Not judged by time, which a busy machine has none of: once the first packet of each try is sent, connections to the marking addresses
 * get their answers, one after the other, and a try that is as its kernel sent it by then has no answer.
 */
export async function answeredWays({ from, tried, marking }: WaysOfPod): Promise<readonly string[]> {
  const tries = tried.map((address) => beginTry(from, address));
  try {
    let sent = new Set<string>();
    const isOnItsWay = (each: Try): boolean => each.ended || sent.has(each.address);
    while (!tries.every(isOnItsWay)) sent = await unanswered(from);
    for (let marker = 0; marker < markers; marker++)
      await Promise.all(
        marking.map(async (address) => assert.ok(await reaches(from, address, patienceSeconds), `no marker comes back from ${address}`)),
      );
    const waiting = await unanswered(from);
    const others = tries.filter(({ address }) => !waiting.has(address));
    const answers = await Promise.all(others.map(async (each) => ((await each.hasAnswer) ? [each.address] : [])));
    return answers.flat();
  } finally {
    for (const each of tries) each.giveUp();
    await Promise.all(tries.map(({ hasAnswer }) => hasAnswer));
  }
}

interface Try {
  readonly address: string;
  readonly ended: boolean;
  /** Whether somebody answered, once it has ended. */
  readonly hasAnswer: Promise<boolean>;
  giveUp(): void;
}

function beginTry(from: string, address: string): Try {
  const child = spawn("ip", ["netns", "exec", from, "busybox", "nc", "-w", `${patienceSeconds}`, address, "80"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said = text(child.stderr);
  const closed = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  const attempt = { address, ended: false, hasAnswer: Promise.all([closed, said]).then(([code, words]) => code === 0 || isRefusal(words)) };
  return Object.assign(attempt, {
    hasAnswer: attempt.hasAnswer.finally(() => {
      attempt.ended = true;
    }),
    giveUp: () => void child.kill("SIGKILL"),
  });
}

/** Where connections lead whose first packet was sent and not answered. */
async function unanswered(from: string): Promise<Set<string>> {
  const { stdout } = await run("ip", ["netns", "exec", from, "ss", "-Htn", "state", "syn-sent"]);
  const peers = stdout.split("\n").flatMap((line) => /\s\[?([0-9a-f:.]+)\]?:80\s*$/.exec(line)?.[1] ?? []);
  return new Set(peers.map((peer) => String(parseAddress(peer))));
}

/** Whether a TCP connection gets an answer; nothing listens, so the answer is a reset by the pod itself. */
export async function reaches(from: string, address: string, seconds: number): Promise<boolean> {
  const asked = run("ip", ["netns", "exec", from, "busybox", "nc", "-w", `${seconds}`, address, "80"]);
  return asked.then(
    () => false,
    ({ stderr }: { readonly stderr: string }) => isRefusal(stderr),
  );
}

const isRefusal = (said: string): boolean => said.includes("refused");
