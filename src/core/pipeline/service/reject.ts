import { packetInCategories, toController } from "../packet-in/index.ts";

/** The first byte of userdata of such packets. */
export const serviceRejectCategory = packetInCategories.serviceReject.number;

/** The client of a Service that nobody serves is answered at once, by the agent: a switch cannot make the packet. */
export const rejectToClient = toController("serviceReject");
