import type { ControllerAction } from "#lib/openflow/action.ts";

/** What a packet is sent to the agent for; the first byte of its userdata. Numbers as antrea (Go) has them. */
export const serviceRejectCategory = 4;
/** The connection of the agent that such packets go to: no other hears of them. */
export const serviceRejectController = 4;

/** The client of a Service that nobody serves is answered at once, by the agent: a switch cannot make the packet. */
export const rejectToClient: ControllerAction = {
  type: "controller",
  id: serviceRejectController,
  userdata: Uint8Array.of(serviceRejectCategory),
};
