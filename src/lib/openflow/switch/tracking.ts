import type { ConntrackAction } from "../action.ts";
import { wordOf, wordsOf } from "./layout.ts";
import type { ConntrackOperation } from "./operation.ts";
import type { WalkedKey } from "./walked-key.ts";

const markWord = wordOf("ct_mark");
const labelWords = wordsOf("ct_label");

/** The operation of an action `ct`: `exec` performs what the action lists, whose writes to mark and label are the connection's and not the packet's. */
export function trackingOperation(walked: WalkedKey, action: ConntrackAction, exec: () => void): ConntrackOperation {
  const { zone: place } = action;
  const zone = typeof place === "object" ? Number(walked.read(place)) : (place ?? 0);
  for (const each of [markWord, ...labelWords]) walked.takeWord(each);
  exec();
  const mark = walked.takeWord(markWord);
  const labels = labelWords.map((each) => walked.takeWord(each));
  return {
    type: "ct",
    zone,
    commit: action.commit ?? false,
    force: action.force ?? false,
    ...(action.nat === undefined ? {} : { nat: action.nat }),
    ...(mark.mask === 0 ? {} : { mark: { value: mark.value, mask: mark.mask } }),
    ...(labels.every(({ mask }) => mask === 0)
      ? {}
      : { label: { value: labels.map(({ value }) => value), mask: labels.map(({ mask }) => mask) } }),
  };
}
