import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { UsageError } from "./flags.ts";

// The lab's stand-in for the well-known network test image: the commands that connectivity tests call, each loaded only when asked for,
// as `connect` runs once per probe.
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): void => void process.stderr.write(`${line}\n`);

type Command = (args: readonly string[]) => Promise<number> | number;

const commands: Readonly<Record<string, Command>> = {
  dig: async (args) => (await import("./dig.ts")).dig(args, print),
  connect: async (args) => (await import("./connect.ts")).connect(args, complain),
  netexec: async (args) => (await import("./netexec.ts")).netexec(args, print),
  probe: async (args) => (await import("./probe.ts")).probe(args, print),
  "probe-loop": async (args) => (await import("./probe.ts")).probeLoop(args, print),
  hold: async (args) => (await import("./hold.ts")).hold(args, print),
  session: async () => (await import("./session.ts")).session(runInSession, print),
  prober: async (args) => (await import("./prober.ts")).prober(args, print),
  "test-webserver": async (args) => (await import("./file-server.ts")).testWebserver(args, print),
  "serve-hostname": async (args) => (await import("./small-servers.ts")).serveHostname(args, print),
  porter: async (args) => (await import("./small-servers.ts")).porter(args, process.env, print),
  mounttest: async (args) => (await import("./mounttest.ts")).mounttest(args, print),
  liveness: async () => (await import("./liveness.ts")).liveness(print),
  "logs-generator": async (args) => (await import("./logs-generator.ts")).logsGenerator(args, complain),
  webhook: async (args) => (await import("./webhook.ts")).webhook(args, print),
  "crd-conversion-webhook": async (args) => (await import("./crd-conversion.ts")).conversionWebhook(args, print),
  "test-service-account-issuer-discovery": async (args) => (await import("./issuer-discovery.ts")).issuerDiscovery(args, print),
  inclusterclient: async (args) => (await import("./in-cluster-client.ts")).inClusterClient(args, complain),
  nettest: async (args) => (await import("./nettest.ts")).nettest(args, print),
  guestbook: async (args) => (await import("./guestbook.ts")).guestbook(args, print),
  pause,
  "dns-suffix": () => printed(resolvConf("search").join(",")),
  "dns-server-list": () => printed(resolvConf("nameserver").join(",")),
  "etc-hosts": () => printed(readFileSync("/etc/hosts", "utf8").trimEnd()),
  "entrypoint-tester": (args) => printed(`[${[process.argv[1], "entrypoint-tester", ...args].join(" ")}]`),
  help,
  "--help": help,
};

/** What a session runs: commands that ask, and end. */
async function runInSession(
  [name, ...args]: readonly string[],
  printed: (line: string) => void,
  complained: (line: string) => void,
): Promise<number> {
  try {
    switch (name) {
      case "connect":
        return await (await import("./connect.ts")).connect(args, complained);
      case "probe":
        return await (await import("./probe.ts")).probe(args, printed);
      case "dig":
        return await (await import("./dig.ts")).dig(args, printed);
      default:
        complained(`Error: a session has no command ${JSON.stringify(name)}`);
        return 1;
    }
  } catch (error) {
    complained(`Error: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof UsageError ? 1 : 2;
  }
}

function pause(): Promise<never> {
  print("Paused");
  return new Promise(() => {
    // a timer keeps the process; without it Node ends when nothing is left to wait for
    setInterval(() => {}, 2 ** 31 - 1);
  });
}

function help(): number {
  return printed(`commands of this stand-in: ${Object.keys(commands).join(", ")}`);
}

function printed(line: string): number {
  print(line);
  return 0;
}

function resolvConf(keyword: string): string[] {
  const words = readFileSync("/etc/resolv.conf", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  return words.filter(([first]) => first === keyword).flatMap(([, ...rest]) => rest);
}

async function main(): Promise<number> {
  // The image has its commands that are programs of their own elsewhere as links to this one.
  const called = basename(process.argv[1] ?? "");
  const [name = "help", ...args] = called === "dig" ? [called, ...process.argv.slice(2)] : process.argv.slice(2);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    complain(
      `Error: the command ${JSON.stringify(name)} is not there yet in this stand-in of the image: it has ${Object.keys(commands).join(", ")}`,
    );
    return 1;
  }
  try {
    return await command(args);
  } catch (error) {
    complain(`Error: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof UsageError ? 1 : 2;
  }
}

for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.on(signal, () => {
    // netexec may delay its end, and a prober stays on until it is killed, to be asked also on its way out; every other command goes at
    // once, also as process 1, for which the kernel has no default
    if (!["netexec", "prober"].includes(process.argv[2] ?? "") || signal === "SIGINT") process.exit(signal === "SIGTERM" ? 0 : 130);
  });

void main().then((code) => process.exit(code));
