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
  digits.write(hash("sha1", bytes, "hex"), "latin1");
  digits[12] = versionDigit;
  digits[16] = hexDigits[(hexDigits.indexOf(digits[16] ?? 0) & 3) | 8] ?? 0;
  // Put together in place and cut off once: a name made of parts would hold on to all of them.
  for (let from = 0, at = 0; from < 32; from++) {
    if (from === 8 || from === 12 || from === 16 || from === 20) name[at++] = dash;
    name[at++] = digits[from] ?? 0;
  }
  return name.toString("latin1");
}

const digits = Buffer.alloc(40);
const name = Buffer.alloc(36);
const dash = "-".charCodeAt(0);
const versionDigit = "5".charCodeAt(0);
const hexDigits = Buffer.from("0123456789abcdef");
