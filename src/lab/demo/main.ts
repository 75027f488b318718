import { systemRuntime } from "#lib/runtime/runtime.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { LabInterrupted } from "../errors.ts";
import { type Lab, labUp } from "../lab.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../spec.ts";
import { runDemo } from "./demo.ts";

// `npm start [-- --exit]`: a lab of two nodes, the demo, and how to go on.

const usage = "usage: npm start [-- --exit [--from-source]]\n";

/** 0: every observation as expected; 1: one was not, or something failed; 2: a wrong flag; 130: interrupted before the demo was through. */
const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

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
    return exitCodes.usage;
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
  const interrupted = untilSignal();
  const starting = new AbortController();
  void interrupted.then(() => starting.abort(new LabInterrupted(spec.name)));
  const lab = await labUp({ runtime: systemRuntime({ level: "warn" }), spec, progress: print, signal: starting.signal });
  print(`lab is up after ${((performance.now() - started) / 1_000).toFixed(1)} s\n`);
  const over = Promise.race([interrupted, lab.ended]);
  const demo = runDemo({ kubeconfig: lab.paths.adminKubeconfig, print });
  try {
    const totals = await Promise.race([demo, over]);
    // What is left of the demo fails with the lab it runs on.
    if (totals === undefined) demo.catch(() => {});
    else if (!flags.has("--exit")) {
      print(howToGoOn(lab));
      await over;
    }
    if (totals === undefined) return exitCodes.interrupted;
    return totals.failed === 0 ? exitCodes.ok : exitCodes.failed;
  } finally {
    print("\ngoing down");
    await lab.down();
  }
}

/** Resolves at the first Ctrl-C. Further ones are heard and change nothing: npm passes on what the terminal sent already. */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve());
  });
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
    process.exitCode = error instanceof LabInterrupted ? exitCodes.interrupted : exitCodes.failed;
  })
  // What was interrupted may still wait for something; nothing of the lab is left to wait for.
  .finally(() => process.exit());
