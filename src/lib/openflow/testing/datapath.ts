/**
 * Where Open vSwitch forwards in tests with real packets: in user space, which every kernel can do, or in the kernel where
 * `ANTREA_TEST_DATAPATH=system` says that it has the modules.
 */
export const testDatapath: "netdev" | "system" = process.env.ANTREA_TEST_DATAPATH === "system" ? "system" : "netdev";

/** What ovs-vswitchd is started with for it: without the kernel's modules it would complain of them all the time. */
export const datapathOptions: readonly string[] = testDatapath === "system" ? [] : ["--disable-system"];

/** Why tests that are for the kernel's datapath are left out here. Those with two agents cannot do without: in user space a tunnel needs the transport interface inside Open vSwitch. */
export const withoutKernel =
  testDatapath === "system" ? false : "needs the kernel module openvswitch; `npm run test:kernel` starts a kernel that has it";
