import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

// Imports go down only: lib knows nothing of Antrea, core nothing of processes, and processes nothing of each other.

const source = fileURLToPath(new URL("../src", import.meta.url));

/** What each folder below src may import, besides itself. Tests may also use any testing/ folder. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  core: ["lib"],
  agent: ["lib", "core"],
  cni: ["lib"],
  controller: ["lib", "core"],
  // the command line starts and asks the lab; the lab places antrea-cni, which it builds
  antctl: ["lib", "core", "lab"],
  lab: ["lib", "core", "cni"],
};

/** Parts of a floor that may import more than the floor: the simulator runs agents and controllers in its own process. */
const exempt: Readonly<Record<string, readonly string[]>> = { "lab/sim": ["agent", "controller"] };

/** Folders of lib in the order of their floors: each may import those before it. */
const libFloors = [
  "runtime",
  "profiling",
  "bytes",
  "ip",
  "table",
  "config-file",
  "cni",
  "packet",
  "dns",
  "netlink",
  "nftables",
  "ovsdb",
  "openflow",
  "cri",
  "kube",
  "apiserver",
  "daemon",
];

interface Import {
  readonly file: string;
  readonly target: string;
}

function imports(): Import[] {
  return readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) =>
      [...readFileSync(join(source, file), "utf8").matchAll(/(?:from|import)\s*\(?\s*"([#.][^"]+)"/g)].map((match) => {
        const name = match[1] ?? "";
        return { file, target: name.startsWith("#") ? name.slice(1) : normalize(join(dirname(file), name)) };
      }),
    );
}

const exemptionOf = (file: string): readonly string[] => Object.entries(exempt).find(([part]) => file.startsWith(`${part}/`))?.[1] ?? [];
const floorOf = (path: string): string => path.split("/")[0] ?? "";
const isTest = (file: string): boolean => file.endsWith(".test.ts") || file.includes("/testing/");

test("imports go down only", () => {
  const upward = imports().filter(({ file, target }) => {
    const from = floorOf(file);
    const to = floorOf(target);
    return from !== to && !isTest(file) && target !== "../package.json" && ![...(allowed[from] ?? []), ...exemptionOf(file)].includes(to);
  });
  assert.deepEqual(
    upward.map(({ file, target }) => `${file} imports ${target}`),
    [],
  );
});

test("each folder of lib uses only those below it", () => {
  const upward = imports().filter(({ file, target }) => {
    if (floorOf(file) !== "lib" || floorOf(target) !== "lib" || isTest(file)) return false;
    const from = file.split("/")[1] ?? "";
    const to = target.split("/")[1] ?? "";
    return from !== to && libFloors.indexOf(to) > libFloors.indexOf(from);
  });
  assert.deepEqual(
    upward.map(({ file, target }) => `${file} imports ${target}`),
    [],
  );
});

test("every folder of src has its floor", () => {
  const folders = readdirSync(source);
  assert.deepEqual(
    folders.filter((folder) => !(folder in allowed)),
    [],
  );
  const libFolders = readdirSync(join(source, "lib"));
  assert.deepEqual(
    libFolders.filter((folder) => !libFloors.includes(folder)),
    [],
  );
});

test("core and lib reach time and chance through lib/runtime only", () => {
  const doors = /\b(Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|performance\.now)\b/;
  const guilty = readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((file) => /^core\//.test(file) && file.endsWith(".ts") && !isTest(file))
    .filter((file) => doors.test(readFileSync(join(source, file), "utf8")));
  assert.deepEqual(guilty, []);
});
