import { readdir } from "node:fs/promises";
import { deleteNetns } from "./fabric.ts";

/** Deletes the network namespaces that tests and benches made which ran as one of these processes and ended too early: its number stands in their names. */
export async function deleteNetnsOf(pids: readonly number[]): Promise<void> {
  const names = await readdir("/var/run/netns").catch((): string[] => []);
  const isOfOne = new RegExp(`-(${pids.join("|")})(-|$)`);
  if (pids.length > 0) for (const name of names.filter((each) => isOfOne.test(each))) await deleteNetns(name);
}
