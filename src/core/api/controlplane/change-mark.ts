/**
 * A place in the history of one controller process: everything that it told of a node's objects up to its change of this number is before the mark, on each
 * of the three streams that carries it. Numbers of different processes have nothing to do with each other.
 */
export interface ChangeMark {
  /** Of the process, made by chance at its start. */
  readonly origin: string;
  readonly number: number;
}

/** A word that tells one process from others. */
const form = /^([a-z0-9-]{1,64})\/(0|[1-9]\d{0,14})$/;

export const encodeChangeMark = ({ origin, number }: ChangeMark): string => `${origin}/${number}`;

/** Undefined where the text is no mark: who writes such a thing gives none. Total. */
export function decodeChangeMark(text: string): ChangeMark | undefined {
  const [, origin, number] = form.exec(text) ?? [];
  return origin === undefined || number === undefined ? undefined : { origin, number: Number(number) };
}
