import assert from "node:assert/strict";
import { test } from "node:test";
import { unsuitable } from "./place.ts";
import { parseScript } from "./script.ts";

test("signs, quotes, comments and files of a script", () => {
  const script = parseScript(
    `# a comment\n* ! probe a -> b:80\nkubectl patch x -p '{"a": 1}' "b c"d\n-- one.yaml --\na: 1\n-- two --\nb\n`,
  );
  assert.deepEqual(
    script.steps.map(({ line, mustFail, retry, words }) => ({ line, mustFail, retry, words })),
    [
      { line: 2, mustFail: true, retry: true, words: ["probe", "a", "->", "b:80"] },
      { line: 3, mustFail: false, retry: false, words: ["kubectl", "patch", "x", "-p", '{"a": 1}', "b cd"] },
    ],
  );
  assert.deepEqual(
    [...script.files],
    [
      ["one.yaml", "a: 1\n"],
      ["two", "b\n\n"],
    ],
  );
});

test("a quote that is not closed is an error with its line", () => {
  assert.throws(() => parseScript("kubectl 'a"), /line 1/);
});

test("a simulation plays what needs no containers, wires or daemons of others, and says what else a script needs", () => {
  const place = { kubeconfig: "", nodeNames: new Map(), simulated: true } as const;
  const needs = (text: string): string | undefined => unsuitable(parseScript(text), place);
  for (const text of [
    "probe a/b -> a/c:80",
    "kill node-1/antrea-agent antrea-controller-2 lab-api-server",
    "* sees TIMEOUT agnhost a/b connect 10.96.8.9:81 --timeout=1s",
    "agnhost a/b connect [fd00:10:96::1]:80 --protocol=udp",
    "lab controller partition controller",
    "antctl node-1 get agentinfo",
    "says x kubectl get pod y",
  ])
    assert.equal(needs(text), undefined, text);
  assert.match(needs("* sees TIMEOUT kubectl exec -n a b -- true") ?? "", /kubectl exec needs containers/);
  assert.match(needs("agnhost a/b connect web:80") ?? "", /connect web:80 needs containers/);
  assert.match(needs("kill node-2/ovs-vswitchd") ?? "", /ovs-vswitchd is a real daemon/);
  assert.match(needs("mtu a/b -> a/c") ?? "", /real packets/);
});
