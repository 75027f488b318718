import { allocate } from "./register-allocation.ts";

/** Where a packet came from or goes to. */
export const portKind = { tunnel: 1n, gateway: 2n, pod: 3n } as const;

/** Every field that flows keep in registers, and nowhere else is a bit position written. */
export const registers = allocate({
  source: { bits: 4, register: 0, doc: "kind of the port the packet came in by (portKind)" },
  destination: { bits: 4, register: 0, doc: "kind of the port the packet leaves by (portKind)" },
  hostOrigin: { bits: 1, register: 0, doc: "1 when this node's own stack made the packet: ingress policy is skipped" },
  routed: { bits: 1, register: 0, doc: "1 when the switch is the packet's router: TTL and source address change" },
  known: { bits: 1, register: 0, doc: "1 when the packet belongs to an admitted connection: policy is passed over" },
  hairpin: { bits: 1, register: 0, doc: "1 when a pod reaches itself: the packet leaves by the port it came in by" },
  hairpinReply: { bits: 1, register: 0, doc: "1 when a pod answers what came from itself through a Service" },
  stagedOut: { bits: 1, register: 0, doc: "1 when a staged egress rule has told what it would do" },
  stagedIn: { bits: 1, register: 0, doc: "1 when a staged ingress rule has told what it would do" },
  dnsListener: {
    bits: 16,
    register: 0,
    doc: "port that is up while an agent reads answers of DNS, 0xffff when it is down; 0 = not looked at yet",
  },
  forAuditLog: { bits: 1, register: 0, doc: "1 in a copy of the packet that goes to the audit log" },
  outputPort: { bits: 32, register: 1, doc: "OpenFlow port the packet leaves by" },
  profile: {
    bits: 16,
    register: 2,
    doc: "id of the Kubernetes or else baseline rules that hold for the local pod in this direction; 0 = none",
  },
  page: { bits: 16, register: 2, doc: "which 256 peer sets the set bits stand for in this direction" },
  ingressRule: { bits: 32, register: 3, doc: "id of the rule that admitted the connection at its destination" },
  egressRule: { bits: 32, register: 4, doc: "id of the rule that admitted the connection at its source" },
  endpoint: { bits: 32, register: 5, doc: "id of the endpoint chosen for a Service's address and port; 0 = none" },
  tierProfile: { bits: 32, register: 6, doc: "id of the rules of tiers that hold for the local pod in this direction; 0 = none" },
  service: { bits: 32, register: 7, doc: "number of the Service that the connection came to; 0 = none" },
  setBitsLow: { bits: 128, register: 8, doc: "one bit per peer set of the page, sets 0 to 127" },
  setBitsHigh: { bits: 128, register: 12, doc: "one bit per peer set of the page, sets 128 to 255" },
});

export type RegisterName = keyof typeof registers;
