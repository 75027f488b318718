// A process that exits at a moment of a watch: `node exits.ts starting|watching|stopping`, with status 3.
import { silentLogger } from "#lib/runtime/index.ts";
import { createNetlink } from "../index.ts";

const [moment = ""] = process.argv.slice(2);
const exit = (): never => process.exit(3);
const netlink = createNetlink({ runtime: { logger: silentLogger }, onFailure: () => {} });
await netlink.home.links();
const watching = netlink.home.watch(["link", "address", "nftables"], () => {});
const ways: Readonly<Record<string, () => Promise<void>>> = {
  /** The thread waits already, and this one has not heard of it. */
  async starting() {
    await new Promise(setImmediate);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    exit();
  },
  async watching() {
    await watching;
    exit();
  },
  /** The thread has not heard that it need not wait any more. */
  async stopping() {
    void (await watching)();
    exit();
  },
};
await ways[moment]?.();
