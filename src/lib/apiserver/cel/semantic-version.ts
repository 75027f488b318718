import type { Environment } from "@marcbachmann/cel-js";

/** A value of the CEL type `kubernetes.Semver`: a version by Semantic Versioning 2.0.0. */
class SemanticVersion {
  readonly numbers: readonly [major: bigint, minor: bigint, patch: bigint];
  /** The parts of what stands behind the dash; none for a release. */
  readonly preRelease: readonly string[];
  constructor(numbers: SemanticVersion["numbers"], preRelease: readonly string[]) {
    this.numbers = numbers;
    this.preRelease = preRelease;
  }
}

/** The library of semantic versions of Kubernetes: `isSemver`, `semver` and its methods; both take `true` to complete what is written shorter, as `v1.0`. */
export function withSemanticVersions(environment: Environment): Environment {
  return environment
    .registerType("kubernetes.Semver", { ctor: SemanticVersion, fields: {} })
    .registerOperator("kubernetes.Semver == kubernetes.Semver", (a: SemanticVersion, b: SemanticVersion) => compare(a, b) === 0)
    .registerFunction("isSemver(string): bool", (text: string) => parse(text) !== undefined)
    .registerFunction("isSemver(string, bool): bool", (text: string, complete: boolean) => parse(written(text, complete)) !== undefined)
    .registerFunction("semver(string): kubernetes.Semver", semver)
    .registerFunction("semver(string, bool): kubernetes.Semver", (text: string, complete: boolean) => semver(written(text, complete)))
    .registerFunction(
      "kubernetes.Semver.isLessThan(kubernetes.Semver): bool",
      (a: SemanticVersion, b: SemanticVersion) => compare(a, b) < 0,
    )
    .registerFunction(
      "kubernetes.Semver.isGreaterThan(kubernetes.Semver): bool",
      (a: SemanticVersion, b: SemanticVersion) => compare(a, b) > 0,
    )
    .registerFunction("kubernetes.Semver.compareTo(kubernetes.Semver): int", (a: SemanticVersion, b: SemanticVersion) =>
      BigInt(compare(a, b)),
    )
    .registerFunction("kubernetes.Semver.major(): int", ({ numbers: [major] }: SemanticVersion) => major)
    .registerFunction("kubernetes.Semver.minor(): int", ({ numbers: [, minor] }: SemanticVersion) => minor)
    .registerFunction("kubernetes.Semver.patch(): int", ({ numbers: [, , patch] }: SemanticVersion) => patch);
}

/** Longest version that is read: no one is near it. */
const longest = 256;

const number = "(0|[1-9]\\d{0,17})";
const identifier = "(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)";
const form = new RegExp(
  `^${number}\\.${number}\\.${number}(?:-(${identifier}(?:\\.${identifier})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

function parse(text: string): SemanticVersion | undefined {
  const match = text.length <= longest ? form.exec(text) : null;
  if (match === null) return undefined;
  const [, major = "", minor = "", patch = "", preRelease] = match;
  return new SemanticVersion([BigInt(major), BigInt(minor), BigInt(patch)], preRelease?.split(".") ?? []);
}

function semver(text: string): SemanticVersion {
  const parsed = parse(text);
  if (parsed === undefined) throw new RangeError(`${JSON.stringify(text.slice(0, longest))} is no semantic version`);
  return parsed;
}

/** Without a leading v and leading zeros, with the numbers that lack. */
function written(text: string, complete: boolean): string {
  if (!complete) return text;
  const bare = text.replace(/^v/, "");
  const end = bare.search(/[-+]/);
  const [core, rest] = end < 0 ? [bare, ""] : [bare.slice(0, end), bare.slice(end)];
  const parts = core.split(".").map((part) => part.replace(/^0+(?=\d)/, ""));
  while (parts.length < 3) parts.push("0");
  return parts.join(".") + rest;
}

/** By Semantic Versioning 2.0.0 §11: a release is above what was before it, numbers are below words, more parts above fewer. */
function compare(left: SemanticVersion, right: SemanticVersion): -1 | 0 | 1 {
  for (const index of [0, 1, 2] as const) {
    const order = orderOf(left.numbers[index], right.numbers[index]);
    if (order !== 0) return order;
  }
  const [mine, other] = [left.preRelease, right.preRelease];
  if (mine.length === 0 || other.length === 0) return orderOf(mine.length === 0 ? 1 : 0, other.length === 0 ? 1 : 0);
  for (const [index, part] of mine.entries()) {
    const against = other[index];
    if (against === undefined) return 1;
    const order = compareParts(part, against);
    if (order !== 0) return order;
  }
  return orderOf(mine.length, other.length);
}

function compareParts(left: string, right: string): -1 | 0 | 1 {
  const [isNumber, otherIsNumber] = [left, right].map((one) => /^\d+$/.test(one));
  if (isNumber && otherIsNumber) return orderOf(BigInt(left), BigInt(right));
  if (isNumber !== otherIsNumber) return isNumber ? -1 : 1;
  return orderOf(left, right);
}

const orderOf = <Value extends bigint | number | string>(left: Value, right: Value): -1 | 0 | 1 =>
  left < right ? -1 : left > right ? 1 : 0;
