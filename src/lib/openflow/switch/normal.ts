import { readField, wordOf } from "./layout.ts";
import type { MacTable } from "./mac-table.ts";
import type { WalkedKey } from "./walked-key.ts";

/** Where the action NORMAL sends a frame, and what the bridge learns of it. */
export interface NormalWay {
  readonly ports: readonly number[];
  /** The bridge did not know the address: what it knows later may differ. */
  readonly flooded: boolean;
  /** Learns where the sender is; done already once. Undefined for frames that a bridge does not take. */
  readonly learn?: () => void;
}

const word = { inPort: wordOf("in_port_oxm"), ethType: wordOf("eth_type"), vlan: wordOf("vlan_tci") } as const;
const nowhere: NormalWay = { ports: [], flooded: false };

/** Forwards as a learning bridge (IEEE 802.1D), and notes the bits that it looked at. */
export function normalWay(
  walked: WalkedKey,
  { macs, portNumbers }: { readonly macs: MacTable; readonly portNumbers: () => readonly number[] },
): NormalWay {
  const { key } = walked;
  for (const name of ["eth_src", "eth_dst", "vlan_tci"] as const) walked.consult(name);
  const inPort = (key[word.inPort] as number) >>> 0;
  const vlan = (key[word.vlan] as number) & 0xfff;
  const source = readField(key, "eth_src");
  const destination = readField(key, "eth_dst");
  // A tag that is cut short is none, and the frame goes nowhere.
  if (key[word.ethType] === 0x8100 && ((key[word.vlan] as number) & 0x1000) === 0) return nowhere;
  // Frames to the addresses that bridges keep to themselves go nowhere.
  if (destination >> 4n === 0x0180_c200_000n) return nowhere;
  const learn = (): void => macs.learn({ vlan, mac: source, port: inPort });
  learn();
  const known = macs.find({ vlan, mac: destination });
  if (known === undefined) return { ports: portNumbers().filter((each) => each !== inPort), flooded: true, learn };
  return { ports: known === inPort ? [] : [known], flooded: false, learn };
}
