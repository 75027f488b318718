import type { FieldName } from "#lib/openflow/fields.ts";
import { RegisterConflict } from "./errors.ts";

/** A wish for bits: `bits` is at most 32, or exactly 128 in a register divisible by 4 (an xxreg). */
export interface RegisterWish {
  readonly bits: number;
  /** 0 … 15. Fields of one register are placed in the order of their declaration, from the lowest bit up. */
  readonly register: number;
  readonly doc: string;
}

/** A named run of bits in an Open vSwitch register. */
export interface RegisterField {
  readonly name: string;
  readonly field: FieldName;
  readonly offset: number;
  readonly bits: number;
  readonly doc: string;
}

const registerCount = 16;

/** Gives every wish its place; throws {@link RegisterConflict} when two overlap or one does not fit. */
export function allocate<Name extends string>(wishes: Readonly<Record<Name, RegisterWish>>): Readonly<Record<Name, RegisterField>> {
  const used = new Array<number>(registerCount).fill(0);
  const entries = Object.entries<RegisterWish>(wishes).map(([name, wish]) => [name, place(name, wish, used)] as const);
  return Object.freeze(Object.fromEntries(entries) as Record<Name, RegisterField>);
}

function place(name: string, { bits, register, doc }: RegisterWish, used: number[]): RegisterField {
  if (!Number.isInteger(register) || register < 0 || register >= registerCount)
    throw new RegisterConflict(name, `there is no register ${register}`);
  const wide = bits === 128;
  if (!wide && (bits < 1 || bits > 32)) throw new RegisterConflict(name, `${bits} bits are neither 1 to 32 nor 128`);
  if (wide && register % 4 !== 0) throw new RegisterConflict(name, `128 bits must begin in register 0, 4, 8 or 12, not ${register}`);
  const offset = wide ? 0 : (used[register] ?? 0);
  for (let index = register; index < register + (wide ? 4 : 1); index++) {
    const end = wide ? ((used[index] ?? 0) === 0 ? 32 : Number.POSITIVE_INFINITY) : offset + bits;
    if (end > 32) throw new RegisterConflict(name, `register ${index} has no ${wide ? 32 : bits} bits left`);
    used[index] = end;
  }
  return Object.freeze({ name, field: (wide ? `xxreg${register / 4}` : `reg${register}`) as FieldName, offset, bits, doc });
}

/** The allocation as a Markdown table for the docs. */
export function describeRegisters(fields: Readonly<Record<string, RegisterField>>): string {
  const rows = Object.values(fields).map(
    ({ name, field, offset, bits, doc }) => `| ${name} | ${field}[${bits === 1 ? offset : `${offset}..${offset + bits - 1}`}] | ${doc} |`,
  );
  return ["| field | place | meaning |", "|---|---|---|", ...rows].join("\n");
}
