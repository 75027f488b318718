export { answerRejected, type RejectOptions } from "./reject.ts";
export { tellOwner, type TellOwnerOptions } from "./tell-owner.ts";
export type { Allowance } from "./allowance.ts";
export { dispatchPacketIns, type PacketInFigures, type PacketInSwitch } from "./dispatch.ts";
export type { FairQueueLimits } from "./fair-queue.ts";
export { senderBehind } from "./senders.ts";
