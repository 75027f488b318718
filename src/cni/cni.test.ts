import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type CniReply, type CniRequest, decodeRequest, encodeMessage } from "#lib/cni/index.ts";
import { buildCni } from "./build.ts";

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The compiled executable as a container runtime starts it, with an agent of the test behind the socket. */
describe("antrea-cni", () => {
  let directory: string;
  let executable: string;
  let socket: string;
  let server: Server;
  let heard: CniRequest | undefined;
  let reply: CniReply = { result: {} };

  const call = (environment: Readonly<Record<string, string>>, input: string): Promise<Ended> =>
    new Promise((resolve, reject) => {
      const child = spawn(executable, [], { env: environment, cwd: directory, stdio: ["pipe", "pipe", "pipe"] });
      const text = { stdout: "", stderr: "" };
      child.stdout.on("data", (chunk) => {
        text.stdout += String(chunk);
      });
      child.stderr.on("data", (chunk) => {
        text.stderr += String(chunk);
      });
      child.on("error", reject);
      child.on("close", (status) => resolve({ status, ...text }));
      child.stdin.on("error", () => {});
      child.stdin.end(input);
    });
  const config = (change: object = {}): string =>
    JSON.stringify({ cniVersion: "1.0.0", name: "antrea", type: "antrea", agentSocket: socket, ...change });
  const add = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: "c1",
    CNI_NETNS: "/run/netns/a",
    CNI_IFNAME: "eth0",
    CNI_ARGS: "K8S_POD_NAME=web",
    CNI_PATH: "/opt/cni/bin",
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "antrea-cni-"));
    executable = join(directory, "bin", "antrea");
    socket = join(directory, "agent.sock");
    await buildCni({ outFile: executable });
    server = createServer((connection) => {
      let text = "";
      connection.on("data", (chunk) => {
        text += chunk.toString();
        if (!text.endsWith("\n")) return;
        const request = decodeRequest(text);
        if (request.ok) heard = request.value;
        connection.end(encodeMessage(reply));
      });
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  });
  after(async () => {
    server.close();
    await rm(directory, { recursive: true });
  });

  it("hands the request over and prints the agent's result", async () => {
    reply = { result: { cniVersion: "1.0.0", ips: [{ address: "10.0.0.2/24" }] } };
    const ended = await call(add, config());
    assert.deepEqual(ended, { status: 0, stdout: `${JSON.stringify(reply.result)}\n`, stderr: "" });
    assert.deepEqual(heard, {
      form: 1,
      command: "ADD",
      containerId: "c1",
      netns: "/run/netns/a",
      ifname: "eth0",
      args: "K8S_POD_NAME=web",
      path: "/opt/cni/bin",
      config: config(),
    });
  });

  it("prints nothing after DEL", async () => {
    reply = { result: {} };
    assert.deepEqual(await call({ ...add, CNI_COMMAND: "DEL" }, config()), { status: 0, stdout: "", stderr: "" });
  });

  it("prints the agent's error and ends with 1", async () => {
    reply = { error: { cniVersion: "1.0.0", code: 101, msg: "no address" } };
    assert.deepEqual(await call(add, config()), {
      status: 1,
      stdout: '{"cniVersion":"1.0.0","code":101,"msg":"no address"}\n',
      stderr: "",
    });
  });

  it("answers VERSION by itself", async () => {
    const ended = await call({ CNI_COMMAND: "VERSION" }, '{"cniVersion":"0.4.0"}');
    assert.deepEqual(JSON.parse(ended.stdout), {
      cniVersion: "0.4.0",
      supportedVersions: ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    });
  });

  it("tells its version to people", async () => {
    const ended = await call({}, "");
    assert.deepEqual([ended.status, ended.stdout], [0, ""]);
    assert.match(ended.stderr, /^Antrea CNI v\d+\.\d+\.\d+\n$/);
  });

  it("says what is wrong, as the specification wants errors", async () => {
    const refused = async (environment: Readonly<Record<string, string>>, input: string): Promise<string> => {
      const { status, stdout, stderr } = await call(environment, input);
      assert.deepEqual([status, stderr], [1, ""]);
      const error = JSON.parse(stdout);
      return `${error.cniVersion} ${error.code} ${error.msg}`;
    };
    assert.equal(await refused(add, "{"), "0.1.0 6 network configuration on standard input is no JSON object");
    assert.equal(await refused({ ...add, CNI_COMMAND: "MOVE" }, config()), '0.1.0 4 CNI_COMMAND is "MOVE": no such command');
    assert.equal(await refused(add, config({ agentSocket: 3 })), "1.0.0 7 network configuration: agentSocket is no absolute path");
    assert.match(
      await refused(add, config({ agentSocket: "/run/nobody.sock" })),
      /^1\.0\.0 11 antrea-agent is not reachable at \/run\/nobody\.sock: .*ENOENT/,
    );
  });
});
