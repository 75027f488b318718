import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCommandLine, usageOf } from "./command-line.ts";

test("flags as manifests pass them", () => {
  assert.deepEqual(parseCommandLine(["--config", "/etc/antrea/a.conf", "--logtostderr=false", "--log_dir=/var/log/antrea", "--v=4"]), {
    do: "run",
    configFile: "/etc/antrea/a.conf",
    verbosity: 4,
    strict: false,
    check: false,
    notices: ["--logtostderr has no effect: logs go to standard error", "--log_dir has no effect: logs go to standard error"],
  });
  assert.deepEqual(parseCommandLine([]), { do: "run", configFile: undefined, verbosity: 0, strict: false, check: false, notices: [] });
  assert.equal(JSON.stringify(parseCommandLine(["--strict"])).includes('"strict":true'), true);
  assert.deepEqual(parseCommandLine(["--version"]), { do: "version" });
  assert.deepEqual(parseCommandLine(["-h"]), { do: "help" });
});

test("a wrong flag is named", () => {
  const problem = (...args: string[]): string => {
    const result = parseCommandLine(args);
    return result.do === "refuse" ? result.problem : result.do;
  };
  assert.match(problem("--conifg", "x"), /--conifg.*--help shows what there is$/);
  assert.match(problem("positional"), /positional/);
  assert.equal(problem("--v", "loud"), "--v loud: must be a whole number from 0 to 99");
});

test("help names the daemon, its file and its exit codes", () => {
  const usage = usageOf({ name: "d", purpose: "does a thing", configName: "d.conf", environmentNote: "NODE_NAME names the node." });
  for (const part of ["d does a thing.\n", "--config FILE   d.conf", "NODE_NAME names", "--log_file_max_num", "Exit codes: 0"])
    assert.ok(usage.includes(part), part);
});
