import { runScenario } from "/work/w-sim/src/lab/sim/run.ts";
import { mutantCalled } from "/work/w-sim/src/lab/sim/mutants.ts";
const shop = { namespace: "shop" };
const m = mutantCalled("keeps-first-controllers");
let last = "";
const mutant = { ...m, platform(p: any) { const q = m.platform(p); return { ...q, connectClients(s: any) { const c = q.connectClients(s); const k = c.controllers.known; return { ...c, controllers: { ...c.controllers, known() { const now = k(); const t = now.map((x: any) => x.name + " " + x.standing).join(); if (t !== last) console.log(last = t); return now; } } }; } }; } };
const { problems } = await runScenario({ mutant: mutant as any, scenario: { seed: 1, nodes: 2, controllers: 2, duration: 35000, events: [
 { at: 0, do: "create-pod", ...shop, name: "one", node: "node-1", labels: { app: "one" } },
 { at: 0, do: "create-pod", ...shop, name: "two", node: "node-2", labels: { app: "two" } },
 { at: 6000, do: "kill", of: "controller", for: 2000 },
 { at: 26000, do: "kill", of: "controller-2", for: 6000 },
 { at: 27000, do: "put-policy", ...shop, name: "shut", spec: { podSelector: {}, policyTypes: ["Egress"] } } ] } as any });
console.log(problems.slice(0, 3));
process.exit(0);
