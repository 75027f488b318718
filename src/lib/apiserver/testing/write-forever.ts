import { systemRuntime } from "#lib/runtime/runtime.ts";
import { asServer, ensureObjects } from "../auth/bootstrap.ts";
import { openObjects } from "../objects.ts";
import { openSqliteStorage } from "../storage/sqlite.ts";
import { gadget, namespace } from "./tiny-kinds.ts";

/** A program that is to be killed: creates objects in the database it is given, numbered from `first`, and prints each once it was acknowledged. */
const [, , file = "", first = "0"] = process.argv;
const runtime = systemRuntime({ level: "error" });
const objects = openObjects({ runtime, resources: [namespace, gadget], storage: openSqliteStorage({ file, runtime }) });
await ensureObjects(objects, [{ resource: { group: "", resource: "namespaces" }, object: { metadata: { name: "default" } } }]);
for (let number = Number(first); ; number += 3) {
  const writes = [0, 1, 2].map((offset) =>
    objects.create(
      { group: "test.antrea.io", resource: "gadgets" },
      { metadata: { name: `g${number + offset}`, namespace: "default" } },
      asServer(),
    ),
  );
  for (const { metadata } of await Promise.all(writes)) process.stdout.write(`${metadata.name} ${metadata.resourceVersion}\n`);
}
