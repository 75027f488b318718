import type { AbsentCase, PolicyCase } from "./case.ts";
import { antreaCases } from "./antrea-suite.ts";
import { clusterPolicyCases } from "./cluster-policies.ts";
import { conformanceCases } from "./conformance.ts";
import { cyclonusCases } from "./cyclonus.ts";
import { isolationCases, policyTypesCases, selectorCases } from "./isolation.ts";
import { liveCases } from "./live.ts";
import { exemptionCases, memberCases } from "./members-and-exemptions.ts";
import { blockCases, portCases } from "./ports-and-blocks.ts";
import { serviceCases } from "./service.ts";
import { orderCases, selectionCases } from "./tiers.ts";
import { toServicesCases } from "./to-services.ts";
import { upstreamCases } from "./upstream.ts";

/** Every case of parts A, E.1 and E.2 of the sheet that packets can show. */
export const policyCases: readonly PolicyCase[] = [
  ...isolationCases,
  ...policyTypesCases,
  ...selectorCases,
  ...portCases,
  ...blockCases,
  ...memberCases,
  ...exemptionCases,
  ...serviceCases,
  ...liveCases,
  ...upstreamCases,
  ...cyclonusCases,
];

/** Cases of parts B to E: policies in one order. Most of their policies are of the whole cluster. */
export const orderedCases: readonly PolicyCase[] = [
  ...orderCases,
  ...selectionCases,
  ...toServicesCases,
  ...clusterPolicyCases,
  ...conformanceCases,
  ...antreaCases,
];

/** The rest of both parts. */
export const absentCases: readonly AbsentCase[] = [
  {
    id: "A.3.6",
    title: "own namespace by name, its labels unknown",
    reason: "the engine's own tests: an API server always knows the labels",
  },
  {
    id: "A.4.3 (refusals)",
    title: "endPort below port, or without a number",
    reason: "the API refuses it: e2e/scripts/30-bad-input.script",
  },
  { id: "A.5.1 (refusals)", title: "an exception outside its block", reason: "the API refuses it: e2e/scripts/30-bad-input.script" },
  { id: "A.5.3", title: "ipBlock beside selectors in one entry", reason: "the API refuses it: e2e/scripts/30-bad-input.script" },
  { id: "A.5.6", title: "what a policy sees of NodePort clients", reason: "waits for Services (NodePort)" },
  { id: "A.6-table-1", title: "a pod without a node", reason: "it has no address: the engine's own tests" },
  { id: "A.7.3 (NodePort)", title: "outside clients by NodePort are not exempt", reason: "waits for Services (NodePort)" },
  { id: "A.8.4", title: "externalTrafficPolicy", reason: "waits for Services (NodePort)" },
  { id: "A.9.4", title: "restarts open no window", reason: "e2e/scripts/90-kill.script, src/agent/flows/packets.test.ts" },
  { id: "A.10", title: "audit logs and statistics", reason: "src/agent/audit, src/agent/statistics" },
  { id: "E.1-49", title: "should support creating NetworkPolicy API operations", reason: "no packets: the tests of the lab's API server" },
  {
    id: "E.2-77",
    title: "a namespace comes and goes",
    reason: "the lab's own controllers empty it: src/lab/kubernetes/controllers",
  },
  {
    id: "E.1-50",
    title: "should support creating NetworkPolicy API with endport field",
    reason: "no packets: the tests of the lab's API server",
  },
  {
    id: "E.4-144",
    title: "ACNPFQDNPolicy: names of the world outside rejected and dropped by their answers",
    reason:
      "needs a name server's answers, which a case has not: in memory src/agent/fqdn/name-cases.test.ts, on Open vSwitch e2e/scripts/26-names.script with the cluster's own",
  },
  {
    id: "E.4-145",
    title: "ACNPFQDNPolicyInCluster: a headless Service's name rejected, dropped, and free",
    reason: "needs a name server's answers: in memory src/agent/fqdn/name-cases.test.ts, on Open vSwitch e2e/scripts/26-names.script",
  },
  {
    id: "E.4-146",
    title: "ACNPFQDNPolicyTCP: a client that resolves over TCP",
    reason: "needs a name server's answers: in memory src/agent/fqdn/name-cases.test.ts, on Open vSwitch src/agent/fqdn/fqdn.real.test.ts",
  },
  {
    id: "E.4-147",
    title: "fqdnCacheMinTTL: an address stays for its TTL or for the least TTL",
    reason:
      "needs answers and time to pass: in memory src/agent/fqdn/name-cases.test.ts on a virtual clock, on Open vSwitch src/agent/fqdn/fqdn.real.test.ts",
  },
];
