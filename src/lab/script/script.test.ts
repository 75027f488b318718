import assert from "node:assert/strict";
import { test } from "node:test";
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
