import { fileURLToPath } from "node:url";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
/** On a kernel of its own there are only bundles, which `tools/kernel` makes. */
const onOwnKernel = testDatapath === "system";
/** Bundles start in half the time, and are what users run; `npm test` makes them first. */
export const built = onOwnKernel || process.env.ANTREA_TEST_BUILT === "1";

/** What `npm run build` makes of that name. */
export const bundle = (name: string): string => source(`../../../dist/${name}`);

/** For Node, where its programs are bundles: an emulated machine interprets in half the time that it takes to compile (`tools/kernel`). */
export const bundleFlags: readonly string[] = built
  ? (process.env.ANTREA_TEST_NODE_FLAGS ?? "").split(" ").filter((flag) => flag !== "")
  : [];

/** The script of a program of this folder, such as `fake-kubernetes.ts`. */
export const testScript = (name: string): string => (onOwnKernel ? bundle(`testing/${name.replace(/\.ts$/, ".js")}`) : source(`./${name}`));

/** Words for Node that run a program of this folder. */
export const testProgram = (name: string): readonly string[] => [...bundleFlags, testScript(name)];
