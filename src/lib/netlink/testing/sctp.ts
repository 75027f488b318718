// SCTP, one-to-one (sctp(7)), which Node does not speak: `node sctp.ts echo PORT…` answers what it hears; `node sctp.ts talk ADDRESS PORT` associates, says so with a
// line, and then prints the answer to each line of its input. Ends with 1 when the kernel has no such sockets or the association fails.
import { createInterface } from "node:readline";
import koffi from "koffi";
import { Writer } from "#lib/bytes/index.ts";
import { parseAddress } from "#lib/ip/index.ts";

const libc = koffi.load("libc.so.6");
const calls = {
  socket: libc.func("int socket(int, int, int)"),
  bind: libc.func("int bind(int, const void *, uint32_t)"),
  listen: libc.func("int listen(int, int)"),
  accept: libc.func("int accept(int, void *, void *)"),
  connect: libc.func("int connect(int, const void *, uint32_t)"),
  send: libc.func("long send(int, const void *, size_t, int)"),
  recv: libc.func("long recv(int, _Out_ void *, size_t, int)"),
  close: libc.func("int close(int)"),
};
const inet6 = 10;
const stream = 1;
const sctp = 132;
const most = 1_024;

const [what, ...words] = process.argv.slice(2);
if (what === "echo") for (const port of words) echo(Number(port));
else await talk(words[0] ?? "", Number(words[1]));

function open(): number {
  const fd = calls.socket(inet6, stream, sctp) as number;
  if (fd < 0) process.exit(1);
  return fd;
}

/** `struct sockaddr_in6`; an IPv4 address is a mapped one. */
function socketAddress(address: string, port: number): Uint8Array {
  const { family, value } = parseAddress(address);
  const mapped = family === 4 ? (0xffffn << 32n) | value : value;
  const low = mapped & 0xffff_ffff_ffff_ffffn;
  return new Writer(28)
    .uint8(inet6)
    .uint8(0)
    .uint16(port)
    .zeros(4)
    .uint64(mapped >> 64n)
    .uint64(low)
    .zeros(4)
    .result();
}

function echo(port: number): void {
  const fd = open();
  const address = socketAddress("::", port);
  if (calls.bind(fd, address, address.length) !== 0 || calls.listen(fd, 8) !== 0) process.exit(1);
  const next = (): void =>
    calls.accept.async(fd, null, null, (error: Error | null, peer: number) => {
      if (error === null && peer >= 0) answer(peer);
      next();
    });
  next();
}

function answer(peer: number): void {
  const heard = new Uint8Array(most);
  calls.recv.async(peer, heard, most, 0, (error: Error | null, length: number) => {
    if (error !== null || length <= 0) return void calls.close(peer);
    calls.send(peer, heard.subarray(0, length), length, 0);
    answer(peer);
  });
}

async function talk(address: string, port: number): Promise<void> {
  const fd = open();
  const to = socketAddress(address, port);
  if (calls.connect(fd, to, to.length) !== 0) process.exit(1);
  process.stdout.write("associated\n");
  for await (const line of createInterface({ input: process.stdin })) {
    const said = Buffer.from(line);
    calls.send(fd, said, said.length, 0);
    const heard = new Uint8Array(most);
    const length = calls.recv(fd, heard, most, 0) as number;
    if (length <= 0) process.exit(1);
    process.stdout.write(`${Buffer.from(heard.subarray(0, length)).toString()}\n`);
  }
  calls.close(fd);
}
