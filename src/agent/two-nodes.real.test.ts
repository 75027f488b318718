import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { withoutKernel } from "#lib/openflow/testing/datapath.ts";
import { patience } from "#lib/runtime/testing/patience.ts";
import { createTwoNodes, isReady, type TwoNodes } from "./testing/two-nodes.ts";

// Two nodes, a tunnel between them, one policy and one restart, on the kernel's datapath: `npm run test:kernel -- smoke`.

const skip = withoutKernel;
let nodes: TwoNodes;
before(async () => {
  if (!skip) nodes = await createTwoNodes("two");
});
after(() => nodes?.remove());

test("pods of two nodes reach each other as their policies say, also while an agent is away and back again", {
  skip,
  timeout: patience(240_000),
}, async () => {
  const { a } = nodes;
  await nodes.start();
  await nodes.addPods();
  await nodes.right("at first");
  await a.stop("SIGKILL");
  await nodes.right("without its agent");
  a.logged.length = 0;
  a.start();
  // Its log costs nothing to ask.
  await a.eventually(() => a.logged.some(({ message }) => message === "policies are in force"));
  await a.eventually(isReady(a));
  const compared = a.logged.filter(({ message }) => message === "compared the switch with the desired flows");
  assert.deepEqual(
    compared.map(({ changes }) => changes),
    compared.map(() => 0),
    "a restart changes no flow",
  );
  await nodes.right("after the restart");
});
