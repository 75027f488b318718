import { readFileSync } from "node:fs";
import { run } from "./run.ts";

void run({ environment: process.env, readConfig: () => readFileSync(0, "utf8") }).then(({ status, output, errors }) => {
  if (errors !== "") process.stderr.write(errors);
  if (output !== "") process.stdout.write(output);
  process.exitCode = status;
});
