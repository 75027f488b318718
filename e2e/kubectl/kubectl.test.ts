import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Lab, labUp } from "../../src/lab/lab.ts";
import { labPlace } from "../../src/lab/script/place.ts";
import { runScript } from "../../src/lab/script/run-script.ts";
import { parseScript } from "../../src/lab/script/script.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../../src/lab/spec.ts";
import { systemRuntime } from "../../src/lib/runtime/runtime.ts";
import { notHere } from "./not-here.ts";
import { kubectlPage, type SubcommandResult } from "./page.ts";
import { parseSections } from "./sections.ts";

// Every subcommand of kubectl on a lab, with each client of `KUBECTLS` (files, with colons between; default the one on the path). Run by hand, after `npm run build`;
// KUBECTL_RECORD=1 writes docs/kubectl.md anew.

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const { sections, files } = parseSections(readFileSync(source("./subcommands.script"), "utf8"));
const clients = (process.env.KUBECTLS ?? "kubectl").split(":");
const results: SubcommandResult[] = [];
const path = process.env.PATH ?? "";
let lab: Lab;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "kubectl-clients-"));
  const spec = {
    name: "e2e-kubectl",
    nodes: 2,
    podCidrs: defaultPodCidrs,
    serviceCidrs: defaultServiceCidrs,
    uplink: false,
    clusterDns: true,
    fromSource: false,
  };
  lab = await labUp({ runtime: systemRuntime({ level: "warn" }), spec });
});
after(async () => {
  process.env.PATH = path;
  rmSync(folder, { recursive: true, force: true });
  await lab?.down();
  if (process.env.KUBECTL_RECORD === "1") writeFileSync(source("../../docs/kubectl.md"), kubectlPage(results));
});

for (const client of clients)
  test(client, async (t) => {
    // Scripts call it by its name.
    const bin = mkdtempSync(join(folder, "client-"));
    if (client.includes("/")) symlinkSync(client, join(bin, "kubectl"));
    process.env.PATH = `${bin}:${path}`;
    const { stdout } = await promisify(execFile)("kubectl", ["version", "--client", "-o", "json"]);
    const { clientVersion } = JSON.parse(stdout) as { readonly clientVersion: { readonly gitVersion: string } };
    const version = clientVersion.gitVersion.replace(/-.*/, "");
    for (const { name, text } of sections) {
      const expectedMissing = notHere.get(name)?.(version);
      await t.test(`${version} ${name}`, async () => {
        const script = parseScript(`${text}\n${files}`);
        const outcome = await runScript({ script, place: labPlace(lab) }).then(
          () => undefined,
          (error: unknown) => error,
        );
        results.push({ client: version, name, works: outcome === undefined, missing: expectedMissing });
        if (outcome !== undefined && expectedMissing === undefined) throw outcome;
        if (outcome === undefined && expectedMissing !== undefined) throw new Error(`works, and is said not to: ${expectedMissing}`);
      });
    }
  });
