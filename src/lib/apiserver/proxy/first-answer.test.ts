import assert from "node:assert/strict";
import { test } from "node:test";
import { milliseconds, seconds, virtualClock } from "#lib/runtime/index.ts";
import { createEndpoints, firstAnswer } from "./first-answer.ts";

const [a, b, c] = ["a", "b", "c"].map((host) => ({ host, port: 443 }));
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function world() {
  const clock = virtualClock();
  const endpoints = createEndpoints(clock);
  const asked: string[] = [];
  const given: string[] = [];
  const answers = new Map<string, { resolve(answer: string): void; reject(error: Error): void }>();
  const start = (hosts = ["a", "b", "c"]) =>
    firstAnswer({
      clock,
      endpoints,
      targets: hosts.map((host) => ({ host, port: 443 })),
      ask({ host }, signal) {
        asked.push(host);
        signal.addEventListener("abort", () => given.push(host), { once: true });
        const { promise, ...settle } = Promise.withResolvers<string>();
        answers.set(host, settle);
        return promise;
      },
    });
  return { clock, endpoints, asked, given, answers, start };
}

test("one that fails is followed by the next at once, and asked last from then on", async () => {
  const { asked, answers, endpoints, start, clock } = world();
  const answer = start();
  await settled();
  answers.get("a")?.reject(new Error("refused"));
  await settled();
  assert.deepEqual(asked, ["a", "b"]);
  answers.get("b")?.resolve("yes");
  assert.equal(await answer, "yes");
  const first = (): string | undefined => endpoints.inOrder([a, b, c].filter((each) => each !== undefined))[0]?.host;
  const several = (): Set<string | undefined> => new Set(Array.from({ length: 6 }, first));
  assert.deepEqual(several(), new Set(["b", "c"]));
  clock.advance(seconds(6));
  assert.deepEqual(several(), new Set(["a", "b", "c"]));
});

test("one that is slow is not waited for alone; whoever answers first counts, and the others are given up", async () => {
  const { asked, given, answers, start, clock } = world();
  const answer = start();
  await settled();
  clock.advance(milliseconds(299));
  await settled();
  assert.deepEqual(asked, ["a"]);
  clock.advance(milliseconds(1));
  await settled();
  assert.deepEqual(asked, ["a", "b"]);
  answers.get("a")?.resolve("late");
  assert.equal(await answer, "late");
  assert.deepEqual(given, ["a", "b"]);
});

test("when all fail the last reason is told; a single one has all the time it needs", async () => {
  const { answers, start, clock } = world();
  const refused = assert.rejects(start(["a", "b"]), /b refused/);
  await settled();
  for (const host of ["a", "b"]) {
    answers.get(host)?.reject(new Error(`${host} refused`));
    await settled();
  }
  await refused;
  const one = start(["c"]);
  await settled();
  clock.advance(seconds(30));
  answers.get("c")?.resolve("at last");
  assert.equal(await one, "at last");
  await assert.rejects(start([]), /nobody to ask/);
});
