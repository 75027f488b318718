// A daemon for tests: `node example.ts FLAGS`; FAILS in the environment names what goes wrong.
import { type Config, integer, parseConfig, readConfigFile } from "#lib/config-file/index.ts";
import { CodedError } from "#lib/runtime/index.ts";
import { runDaemon } from "../run.ts";

const keys = { port: integer({ min: 0, max: 9, default: 1, doc: "A number." }) };

class WrongPair extends CodedError {
  constructor() {
    super("WRONG_PAIR", "the pair is wrong");
  }
}

await runDaemon<Config<typeof keys>>({
  name: "example",
  purpose: "is an example",
  configName: "example.conf",
  environmentNote: "FAILS in the environment makes it fail.",
  configure: (file) => (file === undefined ? parseConfig("", { file: "example.conf", keys }) : readConfigFile(file, keys)),
  wrongInput: [WrongPair],
  async run({ config, configFile, signal, runtime }) {
    // keeps the process alive, as a listening socket does
    const alive = setInterval(() => {}, 1_000);
    if (process.env.FAILS === "input") throw new WrongPair();
    if (process.env.FAILS === "defect") throw new TypeError("a defect");
    runtime.logger.info("runs", { port: config.values.port, configFile });
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    clearInterval(alive);
    if (process.env.FAILS === "end") throw signal.reason;
  },
});
