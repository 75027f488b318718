/** Versions of the CNI specification that we speak, oldest first. */
export const supportedVersions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
export type CniVersion = (typeof supportedVersions)[number];

/** A configuration without `cniVersion` is of this one (CNI specification, "Network configuration format"). */
export const implicitVersion: CniVersion = "0.1.0";

export const commands = ["ADD", "DEL", "CHECK", "VERSION", "STATUS", "GC"] as const;
export type CniCommand = (typeof commands)[number];

/** The version that brought each command. */
const since: Readonly<Record<CniCommand, CniVersion>> = {
  ADD: "0.1.0",
  DEL: "0.1.0",
  VERSION: "0.1.0",
  CHECK: "0.4.0",
  STATUS: "1.1.0",
  GC: "1.1.0",
};

export function isSupportedVersion(text: string): text is CniVersion {
  return (supportedVersions as readonly string[]).includes(text);
}

export function isCommand(text: string): text is CniCommand {
  return (commands as readonly string[]).includes(text);
}

/** Whether `version` is `other` or newer. */
export function atLeast(version: CniVersion, other: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(other);
}

export const firstVersionOf = (command: CniCommand): CniVersion => since[command];
