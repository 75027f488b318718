import type { Environment } from "@marcbachmann/cel-js";

/** A value of the CEL type `kubernetes.Quantity`: exact, in units of 10⁻⁹. */
class Quantity {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

const nano = 1_000_000_000n;

/** Nanos in one unit of each suffix. */
const suffixes: Readonly<Record<string, bigint>> = {
  n: 1n,
  u: 1_000n,
  m: 1_000_000n,
  "": nano,
  k: nano * 10n ** 3n,
  M: nano * 10n ** 6n,
  G: nano * 10n ** 9n,
  T: nano * 10n ** 12n,
  P: nano * 10n ** 15n,
  E: nano * 10n ** 18n,
  Ki: nano << 10n,
  Mi: nano << 20n,
  Gi: nano << 30n,
  Ti: nano << 40n,
  Pi: nano << 50n,
  Ei: nano << 60n,
};

const largestInt = 2n ** 63n - 1n;

/** The quantity library of Kubernetes: `isQuantity`, `quantity` and its methods. */
export function withQuantities(environment: Environment): Environment {
  const compare = ({ nanos: left }: Quantity, { nanos: right }: Quantity): bigint => BigInt(Number(left > right) - Number(left < right));
  return environment
    .registerType("kubernetes.Quantity", { ctor: Quantity, fields: {} })
    .registerOperator("kubernetes.Quantity == kubernetes.Quantity", (left: Quantity, right: Quantity) => left.nanos === right.nanos)
    .registerFunction("isQuantity(string): bool", (text: string) => parse(text) !== undefined)
    .registerFunction("quantity(string): kubernetes.Quantity", quantity)
    .registerFunction("kubernetes.Quantity.isInteger(): bool", isInteger)
    .registerFunction("kubernetes.Quantity.asInteger(): int", asInteger)
    .registerFunction("kubernetes.Quantity.asApproximateFloat(): double", ({ nanos }: Quantity) => Number(nanos) / 1e9)
    .registerFunction("kubernetes.Quantity.sign(): int", ({ nanos }: Quantity) => BigInt(Number(nanos > 0n) - Number(nanos < 0n)))
    .registerFunction("kubernetes.Quantity.compareTo(kubernetes.Quantity): int", compare)
    .registerFunction("kubernetes.Quantity.isLessThan(kubernetes.Quantity): bool", (a: Quantity, b: Quantity) => a.nanos < b.nanos)
    .registerFunction("kubernetes.Quantity.isGreaterThan(kubernetes.Quantity): bool", (a: Quantity, b: Quantity) => a.nanos > b.nanos)
    .registerFunction("kubernetes.Quantity.add(kubernetes.Quantity): kubernetes.Quantity", (a: Quantity, b: Quantity) => sum(a, b.nanos))
    .registerFunction("kubernetes.Quantity.add(int): kubernetes.Quantity", (a: Quantity, b: bigint) => sum(a, b * nano))
    .registerFunction("kubernetes.Quantity.sub(kubernetes.Quantity): kubernetes.Quantity", (a: Quantity, b: Quantity) => sum(a, -b.nanos))
    .registerFunction("kubernetes.Quantity.sub(int): kubernetes.Quantity", (a: Quantity, b: bigint) => sum(a, -b * nano));
}

const sum = ({ nanos }: Quantity, more: bigint): Quantity => new Quantity(nanos + more);

function quantity(text: string): Quantity {
  const parsed = parse(text);
  if (parsed === undefined) throw new RangeError(`${JSON.stringify(text)} is no quantity`);
  return parsed;
}

/** Fractions of a nano are rounded up, away from zero. */
function parse(text: string): Quantity | undefined {
  const match = /^([+-]?)(\d{0,40})(?:\.(\d{0,40}))?(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text);
  const [, sign, whole = "", fraction = "", exponent, suffix = ""] = match ?? [];
  if (match === null || whole + fraction === "") return undefined;
  const unit = exponent === undefined ? (suffixes[suffix] ?? nano) : nano;
  const power = Number(exponent ?? 0) - fraction.length;
  const scaled = BigInt(whole + fraction) * unit * 10n ** BigInt(Math.max(power, 0));
  const divisor = 10n ** BigInt(Math.max(-power, 0));
  const nanos = (scaled + divisor - 1n) / divisor;
  return new Quantity(sign === "-" ? -nanos : nanos);
}

const isInteger = ({ nanos }: Quantity): boolean => nanos % nano === 0n && nanos / nano <= largestInt && nanos / nano >= -largestInt - 1n;

function asInteger(value: Quantity): bigint {
  if (!isInteger(value)) throw new RangeError("cannot convert value to integer");
  return value.nanos / nano;
}
