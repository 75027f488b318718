import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { presentLayout } from "#core/pipeline/layout.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const script = `${root}dist/moved-layout/antrea-agent.js`;

/** Registers that change places with each other: where a packet goes, by which rules, and for which Service. */
const swapped = [
  [1, 2],
  [3, 4],
  [5, 7],
] as const;

/**
 * Builds an agent as a later version could be: fields stand in other registers, and its layout is another one. Resolves with its executable script.
 * With `layout` as {@link presentLayout} it keeps silent about it.
 */
export async function buildMovedLayout({ layout = presentLayout + 1 }: { readonly layout?: number } = {}): Promise<string> {
  const places = new Map<string, number>(swapped.flatMap(([one, other]) => [[`${one}`, other] as const, [`${other}`, one] as const]));
  const change: Readonly<Record<string, (source: string) => string>> = {
    "registers.ts": (source) => source.replaceAll(/register: (\d+),/g, (_, place: string) => `register: ${places.get(place) ?? place},`),
    "layout.ts": (source) => source.replace(`presentLayout = ${presentLayout}`, `presentLayout = ${layout}`),
  };
  await build({
    absWorkingDir: root,
    entryPoints: { "antrea-agent": "src/agent/main.ts", "netlink-worker": "src/lib/netlink/worker.ts" },
    outdir: "dist/moved-layout",
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    logLevel: "warning",
    external: ["koffi", "esbuild"],
    banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
    plugins: [
      {
        name: "moved layout",
        setup(bundler) {
          bundler.onLoad({ filter: /core\/pipeline\/(registers|layout)\.ts$/ }, async ({ path }) => {
            const source = await readFile(path, "utf8");
            return { loader: "ts", contents: change[path.slice(path.lastIndexOf("/") + 1)]?.(source) ?? source };
          });
        },
      },
    ],
  });
  return script;
}

/** The same, of this run; on a kernel of its own what `tools/kernel` has built. */
export const movedLayout = async (): Promise<string> => (testDatapath === "system" ? script : buildMovedLayout());
