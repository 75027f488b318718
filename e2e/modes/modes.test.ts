import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Lab, labUp } from "../../src/lab/lab.ts";
import { labPlace } from "../../src/lab/script/place.ts";
import { runScript } from "../../src/lab/script/run-script.ts";
import { parseScript } from "../../src/lab/script/script.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../../src/lab/spec.ts";
import { systemRuntime } from "../../src/lib/runtime/runtime.ts";

// One lab of two nodes goes through every traffic mode: its agents are started anew with each, its pods made anew. Of `npm run soak`.

const folder = fileURLToPath(new URL(".", import.meta.url));
let lab: Lab;

before(async () => {
  const spec = {
    name: "e2e-modes",
    nodes: 2,
    podCidrs: defaultPodCidrs,
    serviceCidrs: defaultServiceCidrs,
    uplink: false,
    fromSource: false,
  };
  lab = await labUp({ runtime: systemRuntime({ level: "warn" }), spec });
});
after(async () => {
  await lab?.down();
});

for (const file of readdirSync(folder)
  .filter((entry) => entry.endsWith(".script"))
  .sort())
  test(file, async () => {
    await runScript({ script: parseScript(readFileSync(`${folder}/${file}`, "utf8")), place: labPlace(lab), files: `${folder}/files` });
  });
