import { hash } from "node:crypto";

const nameSpace = Buffer.from("e4f24a48ca1f4d5b819cea7632b22115", "hex");
/** Longer ones get a buffer of their own. */
const input = Buffer.alloc(1_024);
nameSpace.copy(input);
/** The most bytes that a UTF-16 code unit becomes. */
const bytesPerUnit = 3;

/** The name of the group of a normalised selector: UUIDv5 (RFC 9562 §5.5) in a fixed name space of Antrea. */
export function groupName(normalizedName: string): string {
  const isShort = normalizedName.length * bytesPerUnit <= input.length - nameSpace.length;
  const bytes = isShort
    ? input.subarray(0, nameSpace.length + input.write(normalizedName, nameSpace.length))
    : Buffer.concat([nameSpace, Buffer.from(normalizedName)]);
  const digest = hash("sha1", bytes, "buffer");
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  // Written out in place and cut off once: a name put together from parts would hold on to all of them.
  for (let index = 0, at = 0; index < 16; index++) {
    if (dashesBefore.includes(index)) output[at++] = dash;
    const byte = digest[index] ?? 0;
    output[at++] = hexDigits[byte >> 4] ?? 0;
    output[at++] = hexDigits[byte & 15] ?? 0;
  }
  return output.toString("latin1");
}

const output = Buffer.alloc(36);
const hexDigits = Buffer.from("0123456789abcdef");
const dash = "-".charCodeAt(0);
const dashesBefore: readonly number[] = [4, 6, 8, 10];
