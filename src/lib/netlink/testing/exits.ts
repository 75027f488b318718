// A process that exits at a moment of a watch: `node exits.ts starting|watching|stopping`, with status 3.
import { readdirSync, readFileSync } from "node:fs";
import { silentLogger } from "#lib/runtime/index.ts";
import { createNetlink } from "../index.ts";

const [moment = ""] = process.argv.slice(2);
const exit = (): never => process.exit(3);
/** ms. Where the kernel does not tell what a thread waits in (proc(5), wchan), it has begun by then. */
const polledWithin = 2_000;
/** Whether a thread of this process is in poll(2). */
const isPolling = (): boolean =>
  readdirSync("/proc/self/task").some((id) => readFileSync(`/proc/self/task/${id}/wchan`, "utf8").startsWith("poll_schedule_timeout"));
const netlink = createNetlink({ runtime: { logger: silentLogger }, onFailure: () => {} });
await netlink.home.links();
const watching = netlink.home.watch(["link", "address", "nftables"], () => {});
const ways: Readonly<Record<string, () => Promise<void>>> = {
  /** The thread waits already, and this one has not heard of it. */
  async starting() {
    await new Promise(setImmediate);
    // Without a turn of the event loop, which would bring the thread's word.
    for (const end = performance.now() + polledWithin; !isPolling() && performance.now() < end; );
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
