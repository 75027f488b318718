import { spawn } from "node:child_process";
import { readFile, rename, writeFile } from "node:fs/promises";

/** Fields of the header of a packed kernel (Documentation/arch/x86/boot.rst): sectors before the protected-mode part, place and length of what is packed there. */
const header = { setupSectors: 0x1f1, payloadOffset: 0x248, payloadLength: 0x24c } as const;
const sectorBytes = 512;
const xzMagic = Buffer.from("fd377a585a00", "hex");
/** Behind what is packed stands its size. */
const sizeBytes = 4;

/**
 * Writes the kernel as it is in memory, an ELF file, which QEMU loads as well: to unpack it takes an emulated machine seconds. False where it is packed in another way, or
 * there is no `xz`.
 */
export async function unpackKernel(packedFile: string, elfFile: string): Promise<boolean> {
  const packed = await readFile(packedFile);
  const start = (packed.readUInt8(header.setupSectors) + 1) * sectorBytes + packed.readUInt32LE(header.payloadOffset);
  const payload = packed.subarray(start, start + packed.readUInt32LE(header.payloadLength) - sizeBytes);
  if (!payload.subarray(0, xzMagic.length).equals(xzMagic)) return false;
  const elf = await unxz(payload);
  if (!elf.subarray(1, 4).equals(Buffer.from("ELF"))) return false;
  await writeFile(`${elfFile}.part`, elf);
  await rename(`${elfFile}.part`, elfFile);
  return true;
}

async function unxz(bytes: Uint8Array): Promise<Buffer> {
  const child = spawn("xz", ["--decompress", "--stdout"], { stdio: ["pipe", "pipe", "ignore"] });
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  child.stdin.end(bytes);
  const parts: Buffer[] = [];
  for await (const part of child.stdout) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
