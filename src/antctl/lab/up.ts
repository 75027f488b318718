import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { access, constants, copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readAgentOptions } from "#lab/agent-options.ts";
import { readControllerOptions } from "#lab/controller-options.ts";
import { labUp } from "#lab/lab.ts";
import { runningSupervisor } from "#lab/running.ts";
import { labPaths, labsFolder } from "#lab/paths.ts";
import { InvalidLabOption, LabAlreadyRunning, LabInterrupted } from "#lab/errors.ts";
import { checkSpec, type LabSpec } from "#lab/spec.ts";
import { errorCode, fileProblem, systemRuntime } from "#lib/runtime/index.ts";
import { exitCodes, fail } from "../exit.ts";
import type { UpFlags } from "./commands.ts";

/** `antctl lab up`. */
export async function up(flags: UpFlags): Promise<void> {
  const spec: LabSpec = {
    name: flags.name,
    nodes: flags.nodes,
    controllers: flags.controllers,
    podCidrs: flags.podCidr,
    serviceCidrs: flags.serviceCidr,
    uplink: flags.uplink === true,
    clusterDns: flags.dns,
    fromSource: flags.fromSource === true,
    ...(flags.kubeAssets === undefined ? {} : { kubeAssets: flags.kubeAssets }),
    agentOptions: readAgentOptions(flags.agentConfig ?? []),
    controllerOptions: readControllerOptions(flags.controllerConfig ?? []),
    ...(flags.joins === undefined ? {} : { joins: flags.joins }),
    ...(flags.apiNetns === undefined ? {} : { apiNetns: flags.apiNetns }),
    ...(flags.bare === undefined ? {} : { bare: flags.bare }),
  };
  checkSpec(spec);
  if (flags.kubeconfig !== undefined) await checkWritable(flags.kubeconfig);
  if (flags.detach) return detach(flags);
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const started = performance.now();
  const starting = new AbortController();
  let stop = (): void => starting.abort(new LabInterrupted(spec.name));
  // Several arrive where npm passes on what the terminal sent already; the first one counts.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop());
  const lab = await labUp({ runtime: systemRuntime({ level: "warn" }), spec, progress: say, signal: starting.signal }).catch(
    (error: unknown) => {
      fail(error);
      if (error instanceof LabInterrupted) process.exitCode = exitCodes.interrupted;
      // A step that was given up may still wait for something; nothing of the lab is left to wait for.
      process.exit();
    },
  );
  if (flags.kubeconfig !== undefined)
    await copyFile(lab.paths.adminKubeconfig, flags.kubeconfig).catch(async (error: unknown) => {
      await lab.down();
      throw error;
    });
  const kubeconfig = flags.kubeconfig ?? lab.paths.adminKubeconfig;
  say(`lab ${spec.name} is up after ${((performance.now() - started) / 1_000).toFixed(1)} s: export KUBECONFIG=${kubeconfig}`);
  stop = () => {
    stop = () => {};
    say(`lab ${spec.name}: going down`);
    void lab.down();
  };
  await lab.ended;
}

/** A lab takes its time to come up: where its kubeconfig cannot go is told before. */
async function checkWritable(file: string): Promise<void> {
  try {
    await access(dirname(file), constants.W_OK | constants.X_OK);
    await access(file, constants.W_OK).catch((error: unknown) => {
      if (errorCode(error) !== "ENOENT") throw error;
    });
  } catch (error) {
    throw new InvalidLabOption("--kubeconfig", file, `cannot be written: ${fileProblem(error)}`);
  }
}

/** Starts the same command once more in the background and waits until it says that the lab is up. */
async function detach(flags: UpFlags): Promise<void> {
  const owner = runningSupervisor(labPaths(flags.name));
  if (owner !== undefined) throw new LabAlreadyRunning(flags.name, owner);
  mkdirSync(labsFolder, { recursive: true });
  const logFile = join(labsFolder, `${flags.name}.log`);
  const log = openSync(logFile, "w", 0o640);
  const args = process.argv.slice(1).filter((argument) => argument !== "--detach");
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  child.unref();
  await new Promise<void>((resolve, reject) => {
    const look = setInterval(() => {
      const text = readFileSync(logFile, "utf8");
      const upLine = text.split("\n").find((line) => /^lab \S+ is up after /.test(line));
      if (upLine === undefined) return;
      clearInterval(look);
      process.stdout.write(`${upLine}\n`);
      resolve();
    }, 50);
    child.once("exit", (code) => {
      clearInterval(look);
      const words = readFileSync(logFile, "utf8").trim().split("\n").at(-1) ?? "";
      reject(new Error(`the lab did not come up (exit ${code}): ${words.replace(/^antctl: /, "")}`));
    });
  });
}
