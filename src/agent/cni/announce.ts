import { internetChecksum, Writer } from "#lib/bytes/index.ts";
import { type IpAddress, type MacAddress, parseAddress, parseMac } from "#lib/ip/index.ts";
import type { NetworkNamespace } from "#lib/netlink/index.ts";
import { type Duration, errorMessage, milliseconds, sleep } from "#lib/runtime/index.ts";
import type { CniDependencies } from "./dependencies.ts";

/** The first announcement goes out before the answer, the others after it: neighbours may have missed the first. */
const announcements = 3;
const betweenAnnouncements: Duration = milliseconds(50);

interface Announced {
  readonly addresses: readonly IpAddress[];
  readonly mac: MacAddress;
  readonly linkIndex: number;
}

/** Tells the pod's neighbours where its addresses are: once before this resolves, then again in the background. */
export async function announcePod(
  cni: CniDependencies,
  namespace: NetworkNamespace,
  { addresses, mac, linkIndex }: Announced,
): Promise<void> {
  const { clock, logger } = cni.runtime;
  const frames = addresses.map((address) => announcement(address, mac));
  // The caller closes its own as soon as this resolves. All go out by one socket, which goes with the namespace it is of.
  const own = await cni.netlink.open(`/proc/self/fd/${namespace.fd}`);
  const repeat = async (): Promise<void> => {
    for (let count = 1; count < announcements; count++) {
      await sleep(clock, betweenAnnouncements);
      await own.sendFrames(linkIndex, frames);
    }
  };
  const close = (): void => {
    // Closing fails only with the netlink thread, of which everything else tells.
    own.close().catch(() => {});
  };
  try {
    await own.sendFrames(linkIndex, frames);
  } catch (error) {
    close();
    throw error;
  }
  // Nobody waits for these, and a pod that is gone by then needs none.
  repeat()
    .catch((error: unknown) => logger.debug("announcement not repeated", { error: errorMessage(error) }))
    .finally(close);
}

/** Frames by which a new interface tells its neighbours where its address is now. */
export function announcement(address: IpAddress, mac: MacAddress): Uint8Array {
  return address.family === 4 ? gratuitousArp(address, mac) : unsolicitedAdvertisement(address, mac);
}

const etherType = { arp: 0x0806, ipv6: 0x86dd } as const;
const broadcast = parseMac("ff:ff:ff:ff:ff:ff");

/** ARP request for one's own address (RFC 5227 §2.3, "ARP Announcement"). */
function gratuitousArp(address: IpAddress, mac: MacAddress): Uint8Array {
  const writer = new Writer(64).bytes(broadcast.bytes()).bytes(mac.bytes()).uint16(etherType.arp);
  const [ethernet, request] = [1, 1];
  writer.uint16(ethernet).uint16(0x0800).uint8(6).uint8(4).uint16(request);
  return writer.bytes(mac.bytes()).bytes(address.bytes()).zeros(6).bytes(address.bytes()).result();
}

const allNodes = parseAddress("ff02::1");
const allNodesMac = parseMac("33:33:00:00:00:01");
const icmpv6 = 58;
const neighbourAdvertisement = 136;
const overrideFlag = 0x2000_0000;
const targetLinkLayer = 2;

/** Neighbour advertisement that nobody asked for, overriding caches (RFC 4861 §7.2.6). */
function unsolicitedAdvertisement(address: IpAddress, mac: MacAddress): Uint8Array {
  const body = new Writer(32).uint8(neighbourAdvertisement).uint8(0).uint16(0).uint32(overrideFlag).bytes(address.bytes());
  body.uint8(targetLinkLayer).uint8(1).bytes(mac.bytes());
  const pseudo = new Writer(80).bytes(address.bytes()).bytes(allNodes.bytes()).uint32(body.length).uint32(icmpv6).bytes(body.result());
  body.patchUint16(2, internetChecksum(pseudo.result()));
  const writer = new Writer(96).bytes(allNodesMac.bytes()).bytes(mac.bytes()).uint16(etherType.ipv6);
  writer.uint32(0x6000_0000).uint16(body.length).uint8(icmpv6).uint8(255);
  return writer.bytes(address.bytes()).bytes(allNodes.bytes()).bytes(body.result()).result();
}
