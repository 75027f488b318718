import { writeSync } from "node:fs";

/** Makes an event descriptor readable (eventfd(2)), from whatever thread. */
export function wakeUp(eventDescriptor: number): void {
  const one = Buffer.alloc(8);
  one.writeBigUInt64LE(1n);
  writeSync(eventDescriptor, one);
}
