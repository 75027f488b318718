import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { addConnectionFlags, type ConnectionFlags } from "./connection-flags.ts";
import { createProgram } from "./program.ts";

async function given(...words: readonly string[]): Promise<ConnectionFlags> {
  const program = new Command("antctl").enablePositionalOptions();
  const leaf = new Command("podinterface").option("-s, --source <name>").action(() => {});
  const get = new Command("get").addCommand(leaf);
  addConnectionFlags(program, [get]);
  program.addCommand(get);
  await program.parseAsync(words, { from: "user" });
  return program.opts<ConnectionFlags>();
}

test("the flags of connections stand before or after the command", async () => {
  const wanted = { kubeconfig: "file", timeout: 5_000, verbose: true };
  assert.deepEqual(await given("-k", "file", "-t", "5s", "-v", "get", "podinterface"), wanted);
  assert.deepEqual(await given("get", "podinterface", "--kubeconfig", "file", "--timeout=5s", "-v"), wanted);
  assert.deepEqual(await given("-k", "other", "get", "podinterface", "-k", "file", "-t", "5s", "-v"), wanted);
});

test("where a command has a flag of that name of its own, that one counts there", async () => {
  assert.deepEqual(await given("-s", "https://there", "get", "podinterface", "-s", "web"), { server: "https://there", timeout: 0 });
});

test("every command says what it is for", () => {
  const silent = (command: Command, path: string): readonly string[] => [
    ...(command.description() === "" ? [path] : []),
    ...command.commands.flatMap((child) => silent(child, `${path} ${child.name()}`)),
  ];
  assert.deepEqual(silent(createProgram({}), "antctl"), []);
});
