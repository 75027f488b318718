import { type ChildProcess, execFile, spawn } from "node:child_process";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A real ovsdb-server with an empty Open_vSwitch database, for tests. */
export interface PrivateServer {
  readonly directory: string;
  /** The database's socket. */
  readonly path: string;
  start(): Promise<void>;
  /** Ends the process at once, as a crash would; the database file stays. */
  kill(): Promise<void>;
  /** Ends the process and removes everything. */
  remove(): Promise<void>;
}

const run = promisify(execFile);

export async function createPrivateServer(): Promise<PrivateServer> {
  const directory = await mkdtemp(join(tmpdir(), "ovsdb-test-"));
  const path = join(directory, "db.sock");
  const file = join(directory, "conf.db");
  await run("ovsdb-tool", ["create", file, "/usr/share/openvswitch/vswitch.ovsschema"]);
  let server: ChildProcess | undefined;

  const kill = async (): Promise<void> => {
    const running = server;
    server = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await ended;
    await rm(path, { force: true });
  };
  const start = async (): Promise<void> => {
    server = spawn(
      "ovsdb-server",
      [
        file,
        `--remote=punix:${path}`,
        `--unixctl=${join(directory, "ovsdb.ctl")}`,
        `--log-file=${join(directory, "log")}`,
        "-vconsole:off",
      ],
      { stdio: "ignore" },
    );
    while (!(await exists(path))) await new Promise(setImmediate);
    // The socket is there before anybody listens to it.
    await run("ovs-vsctl", ["--retry", "--timeout=5", `--db=unix:${path}`, "--no-wait", "init"]);
  };
  return {
    directory,
    path,
    start,
    kill,
    remove: async () => {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
