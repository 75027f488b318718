import { systemRuntime } from "#lib/runtime/runtime.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { type Lab, labUp } from "../lab.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../spec.ts";
import { runDemo } from "./demo.ts";

// `npm start [-- --exit]`: a lab of two nodes, the demo, and how to go on.

const usage = "usage: npm start [-- --exit [--from-source]]\n";

const flags = new Set(process.argv.slice(2));
const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<number> {
  const unknown = [...flags].filter((flag) => flag !== "--exit" && flag !== "--from-source");
  if (flags.has("--help")) {
    process.stdout.write(usage);
    return 0;
  }
  if (unknown.length > 0) {
    process.stderr.write(`npm start: unknown flag ${unknown[0]}\n${usage}`);
    return 2;
  }
  const started = performance.now();
  const spec = {
    name: "lab",
    nodes: 2,
    podCidrs: defaultPodCidrs,
    serviceCidrs: defaultServiceCidrs,
    uplink: false,
    fromSource: flags.has("--from-source"),
  };
  const lab = await labUp({ runtime: systemRuntime({ level: "warn" }), spec, progress: print });
  print(`lab is up after ${((performance.now() - started) / 1_000).toFixed(1)} s\n`);
  const stopped = stopOnSignal(lab);
  let failed: number;
  try {
    ({ failed } = await Promise.race([runDemo({ kubeconfig: lab.paths.adminKubeconfig, print }), stopped.then(() => ({ failed: 0 }))]));
  } catch (error) {
    await lab.down();
    throw error;
  }
  if (flags.has("--exit")) {
    await lab.down();
    return failed === 0 ? 0 : 1;
  }
  print(howToGoOn(lab));
  await lab.ended;
  return failed === 0 ? 0 : 1;
}

function stopOnSignal(lab: Lab): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      print("\ngoing down");
      void lab.down();
    });
  return lab.ended;
}

function howToGoOn(lab: Lab): string {
  return `
The lab stays up until Ctrl-C. In another terminal:

  export KUBECONFIG=${lab.paths.adminKubeconfig}
  kubectl get pods -A -o wide
  kubectl exec -n shop web -c port-80 -- /agnhost connect --timeout=1s $(kubectl get pod -n shop api -o jsonpath='{.status.podIP}'):80 && echo reached
  kubectl explain networkpolicy.spec.ingress

antctl: bin/antctl lab status, bin/antctl --help`;
}

main()
  .then((code) => {
    process.exitCode = code;
  })
  .catch((error: unknown) => {
    process.stderr.write(`npm start: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  });
