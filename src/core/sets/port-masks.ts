/** A value of 16 bits and the bits of it that count. */
export interface MaskedPort {
  readonly value: number;
  readonly mask: number;
}

const portBits = 16;

/** The fewest masked values that together are exactly the ports `from` to `to`, both included: at most 30. */
export function portMasks(from: number, to: number): MaskedPort[] {
  const masks: MaskedPort[] = [];
  for (let start = from; start <= to; ) {
    let block = 0;
    while (block < portBits && start % 2 ** (block + 1) === 0 && start + 2 ** (block + 1) - 1 <= to) block++;
    masks.push({ value: start, mask: (0xffff << block) & 0xffff });
    start += 2 ** block;
  }
  return masks;
}
