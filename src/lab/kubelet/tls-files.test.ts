import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { createAuthority, issueCertificate, type KeyPair } from "#lib/apiserver/certificates.ts";
import { minutes } from "#lib/runtime/duration.ts";
import { virtualRuntime } from "#lib/runtime/runtime.ts";
import { createTlsFiles, type TlsMaterial } from "./tls-files.ts";

const folder = mkdtempSync(join(tmpdir(), "kubelet-tls-"));
after(() => rmSync(folder, { recursive: true }));

const runtime = virtualRuntime({ seed: 1 });
const authority = createAuthority(runtime, { commonName: "cluster" });
const pair = (): KeyPair => issueCertificate(runtime, authority, { commonName: "kubelet", usages: ["server"] });
const file = join(folder, "server.pem");
const clientCaFile = join(folder, "ca.crt");
writeFileSync(clientCaFile, authority.certificate);
const text = ({ certificate, key }: KeyPair): string => `${certificate}${key}`;

test("a certificate that was replaced is handed on; half of a new pair is not", async () => {
  const [first, second] = [pair(), pair()];
  writeFileSync(file, text(first));
  const stop = new AbortController();
  const files = createTlsFiles({ tlsCertFile: file, tlsKeyFile: file, clientCaFile });
  assert.equal((await files.read()).cert, text(first));
  const seen: TlsMaterial[] = [];
  files.follow({ runtime, signal: stop.signal }, (material) => void seen.push(material));
  /** A look reads three files: done when the next one is planned. */
  const look = async (): Promise<void> => {
    runtime.clock.advance(minutes(1));
    while (runtime.clock.next === undefined) await turn();
  };
  await look();
  assert.equal(seen.length, 0, "told of what did not change");
  writeFileSync(file, `${second.certificate}${first.key}`);
  await look();
  assert.equal(seen.length, 0, "a certificate and a key that are no pair");
  writeFileSync(file, text(second));
  await look();
  assert.deepEqual(
    seen.map(({ cert }) => cert),
    [text(second)],
  );
  stop.abort();
});
