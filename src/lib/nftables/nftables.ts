import { spawn } from "node:child_process";
import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom, uuid } from "#lib/runtime/index.ts";
import { NetlinkError, type NetworkNamespace } from "#lib/netlink/index.ts";
import { difference, type NftCommand } from "./difference.ts";
import { afterChanges, elementChangesOf } from "./element-changes.ts";
import { NftFailed, NftOutputUnreadable } from "./errors.ts";
import { decodePresent, type PresentChain, type PresentTable } from "./present.ts";
import type { NftFamily, NftTable } from "./ruleset.ts";

/** What `nft -j list` may print of one table: 100 000 elements take about 5 MB. */
const largestOutputBytes = 64 * 1024 * 1024;

/** The tables of ours in the network namespace of the process. */
export interface Nftables {
  /** Makes the table exactly this, in one atomic transaction, or rejects with NftFailed and leaves it as it was. Resolves with whether it differed. */
  apply(table: NftTable): Promise<boolean>;
  /** Removes the table if it is there. */
  remove(family: NftFamily, name: string): Promise<void>;
}

/** The kernel's own word on nftables of the namespace, without a process for each question. */
export type NftKernel = Pick<NetworkNamespace, "nftablesGeneration" | "changeSetElements">;

/** A table as it was read, and how often nftables had changed until then. */
interface Known {
  readonly generation: number;
  readonly table: PresentTable;
}

/**
 * nftables through `nft -j`. Calls run one after the other. With `kernel`, a table that nobody can have changed since it was read is not read again, and elements
 * that come and go alone are written there. `command` is for tests that act in another namespace.
 */
export function createNftables(options: { readonly command?: readonly string[]; readonly kernel?: NftKernel } = {}): Nftables {
  const { command = ["nft"], kernel } = options;
  const known = new Map<string, Known>();
  /** Reads it; where nothing changed meanwhile, it is known. */
  const read = async (family: NftFamily, name: string): Promise<PresentTable | undefined> => {
    const before = await kernel?.nftablesGeneration();
    const table = await present(command, family, name);
    known.delete(`table ${family} ${name}`);
    if (before !== undefined && table !== undefined && before === (await kernel?.nftablesGeneration()))
      known.set(`table ${family} ${name}`, { generation: before, table });
    return table;
  };
  /** Undefined: not possible in this way, or somebody changed something meanwhile. */
  const applyToKnown = async (table: NftTable): Promise<boolean | undefined> => {
    const there = known.get(`table ${table.family} ${table.name}`);
    if (kernel === undefined || there === undefined || there.generation !== (await kernel.nftablesGeneration())) return undefined;
    const commands = difference(table, there.table);
    if (commands.length === 0) return false;
    const changes = elementChangesOf(commands, table);
    // What the kernel refuses it leaves as it was: nft tries, and says in words what is wrong.
    const isDone =
      changes !== undefined && (await kernel.changeSetElements(changes, { generation: there.generation }).catch(unlessRefused));
    if (!isDone) return undefined;
    // Nobody else changed anything: what was known of other tables is true as before.
    for (const [where, other] of known)
      if (other.generation === there.generation) known.set(where, { ...other, generation: generationAfter(there.generation) });
    known.set(`table ${table.family} ${table.name}`, {
      generation: generationAfter(there.generation),
      table: afterChanges(there.table, commands),
    });
    return true;
  };
  let last: Promise<unknown> = Promise.resolve();
  /** Rules as nft printed them when they were ours, by table and chain: who edits one may keep the comment by which we know it. */
  const trusted = new Map<string, ReadonlyMap<string, string>>();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work, work);
    last = result.catch(() => {});
    return result;
  };
  return {
    apply: (table) =>
      inTurn(async () => {
        const soon = await applyToKnown(table);
        if (soon !== undefined) return soon;
        const where = `table ${table.family} ${table.name}`;
        const there = await read(table.family, table.name);
        const commands = difference(table, withoutEdited(there, trusted.get(where)));
        if (commands.length > 0) await transact(command, where, commands);
        const now = commands.length > 0 ? await read(table.family, table.name) : there;
        if (now !== undefined) trusted.set(where, new Map([...now.chains].map(([name, chain]) => [name, printedRules(chain)])));
        return commands.length > 0;
      }),
    remove: (family, name) =>
      inTurn(async () => {
        const where = `table ${family} ${name}`;
        known.delete(where);
        if ((await present(command, family, name)) !== undefined) await transact(command, where, [{ delete: { table: { family, name } } }]);
      }),
  };
}

const unlessRefused = (error: unknown): false => {
  if (error instanceof NetlinkError) return false;
  throw error;
};

/** It is a number of 32 bits that the kernel never lets be zero. */
const generationAfter = (generation: number): number => (generation + 1) >>> 0 || 1;

const printedRules = ({ rules }: PresentChain): string => rules.map(({ printed }) => printed).join("\n");

/** A chain that nft prints otherwise than when it was ours counts as one without rules: it is filled anew. */
function withoutEdited(there: PresentTable | undefined, trusted: ReadonlyMap<string, string> | undefined): PresentTable | undefined {
  if (there === undefined || trusted === undefined) return there;
  const chains = [...there.chains].map(([name, chain]): [string, PresentChain] => {
    const before = trusted.get(name);
    return [name, before === undefined || before === printedRules(chain) ? chain : { ...chain, rules: [] }];
  });
  return { ...there, chains: new Map(chains) };
}

async function present(command: readonly string[], family: NftFamily, name: string): Promise<PresentTable | undefined> {
  const what = `list table ${family} ${name}`;
  const { status, stdout, stderr } = await run([...command, "-j", "list", "table", family, name], "");
  if (status !== 0) {
    if (stderr.includes("No such file or directory")) return undefined;
    throw new NftFailed(what, reasonOf(stderr, status));
  }
  const decoded = decodePresent(stdout);
  if ("failure" in decoded) throw new NftOutputUnreadable(what, decoded.failure);
  return decoded.value;
}

async function transact(command: readonly string[], what: string, commands: readonly NftCommand[]): Promise<void> {
  const { status, stderr } = await run([...command, "-j", "-f", "-"], JSON.stringify({ nftables: commands }));
  if (status !== 0) throw new NftFailed(what, reasonOf(stderr, status));
}

const reasonOf = (stderr: string, status: number | null): string => stderr.trim().split("\n")[0] || `ended with status ${status}`;

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: readonly string[], input: string): Promise<Outcome> {
  // nft opens /dev/stdin by name, which fails on the sockets that Node hands to children: it gets a file that has no name any more.
  const path = join(tmpdir(), `nft-${uuid(systemRandom)}`);
  const file = await open(path, "wx+", 0o600);
  try {
    await rm(path);
    await file.write(input, 0);
    return await runOn(file.fd, command);
  } finally {
    await file.close();
  }
}

function runOn(stdin: number, [program = "nft", ...args]: readonly string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: [stdin, "pipe", "pipe"], env: { ...process.env, LC_ALL: "C" } });
    const collect = (stream: NodeJS.ReadableStream | null): (() => string) => {
      const chunks: Buffer[] = [];
      let size = 0;
      stream?.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > largestOutputBytes) child.kill();
        else chunks.push(chunk);
      });
      return () => Buffer.concat(chunks).toString("utf8");
    };
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(
        new NftFailed(args.join(" "), error.code === "ENOENT" ? `${program} is not there; install the package nftables` : error.message),
      ),
    );
    child.on("close", (status) => resolve({ status, stdout: stdout(), stderr: stderr() }));
  });
}
