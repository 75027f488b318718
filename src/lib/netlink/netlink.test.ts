import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, describe, it } from "node:test";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { silentLogger } from "#lib/runtime/index.ts";
import {
  createNetlink,
  isErrno,
  LinkNotFound,
  NamespaceNotFound,
  NetlinkClosed,
  type NetworkEvent,
  type NetworkNamespace,
} from "./index.ts";

describe("the kernel's configuration, in namespaces of the test", () => {
  const netlink = createNetlink({ runtime: { logger: silentLogger } });
  after(() => netlink.close());

  const pair = async (): Promise<{ readonly node: NetworkNamespace; readonly pod: NetworkNamespace }> => {
    const [node, pod] = await Promise.all([netlink.create(), netlink.create()]);
    const mac = parseMac("0a:58:00:00:00:02");
    await node.createVeth({ name: "host0", mtu: 1450, up: true }, { name: "eth0", mtu: 1450, mac, up: true, namespace: pod });
    return { node, pod };
  };
  /** Runs a command in a namespace: the second opinion of tools that are not ours. */
  const inside = ({ fd }: NetworkNamespace, command: string, ...args: readonly string[]): string =>
    execFileSync("nsenter", [`--net=/proc/${process.pid}/fd/${fd}`, command, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });

  it("makes a veth pair across namespaces, as ip sees it too", async () => {
    const { node, pod } = await pair();
    const [eth0, host0] = await Promise.all([pod.link({ name: "eth0" }), node.link({ name: "host0" })]);
    assert.equal(eth0.kind, "veth");
    assert.deepEqual([eth0.peerIndex, host0.peerIndex], [host0.index, eth0.index]);
    assert.deepEqual([eth0.mtu, eth0.up, eth0.carrier, String(eth0.mac)], [1450, true, true, "0a:58:00:00:00:02"]);
    const seen = JSON.parse(inside(pod, "ip", "-j", "link", "show", "eth0"));
    assert.deepEqual([seen[0].mtu, seen[0].address, seen[0].operstate], [1450, "0a:58:00:00:00:02", "UP"]);
    assert.deepEqual((await pod.links()).map(({ name }) => name).sort(), ["eth0", "lo"]);

    assert.equal(await node.deleteLink({ name: "host0" }), true);
    assert.equal(await node.deleteLink({ name: "host0" }), false);
    assert.equal(await pod.findLink({ name: "eth0" }), undefined);
    await assert.rejects(pod.link({ name: "eth0" }), LinkNotFound);
  });

  it("carries IPv4 and IPv6 at once, without duplicate detection", async () => {
    const { node, pod } = await pair();
    for (const [namespace, name, last] of [
      [node, "host0", 1],
      [pod, "eth0", 2],
    ] as const) {
      const { index: linkIndex } = await namespace.link({ name });
      await namespace.addAddress({ linkIndex, address: parseAddress(`10.9.0.${last}`), prefixLength: 24 });
      await namespace.addAddress({ linkIndex, address: parseAddress(`fd09::${last}`), prefixLength: 64, noDuplicateDetection: true });
      await namespace.addAddress({ linkIndex, address: parseAddress(`fd09::${last}`), prefixLength: 64, noDuplicateDetection: true });
    }
    await pod.replaceRoute({ destination: parsePrefix("0.0.0.0/0"), gateway: parseAddress("10.9.0.1") });
    await pod.replaceRoute({ destination: parsePrefix("::/0"), gateway: parseAddress("fd09::1") });
    inside(pod, "busybox", "ping", "-c1", "-W2", "10.9.0.1");
    inside(pod, "busybox", "ping", "-c1", "-W2", "fd09::1");
    const { index: linkIndex } = await pod.link({ name: "eth0" });
    const addresses = await pod.addresses({ linkIndex });
    assert.deepEqual(
      addresses.filter(({ scope }) => scope === "universe").map(({ address, tentative }) => `${address} ${tentative}`),
      ["10.9.0.2 false", "fd09::2 false"],
    );
    assert.equal(await pod.deleteAddress({ linkIndex, address: parseAddress("10.9.0.2"), prefixLength: 24 }), true);
    assert.equal(await pod.deleteAddress({ linkIndex, address: parseAddress("10.9.0.2"), prefixLength: 24 }), false);
  });

  it("finds its own routes again by protocol and table", async () => {
    const { node } = await pair();
    const { index: linkIndex } = await node.link({ name: "host0" });
    await node.addAddress({ linkIndex, address: parseAddress("10.76.0.1"), prefixLength: 24 });
    const route = { destination: parsePrefix("10.77.0.0/24"), gateway: parseAddress("10.77.0.1"), linkIndex, onLink: true, protocol: 201 };
    const route6 = {
      destination: parsePrefix("fd77::/64"),
      gateway: parseAddress("fd77::1"),
      linkIndex,
      onLink: true,
      protocol: 201,
      table: 900,
    };
    await Promise.all([node.replaceRoute(route), node.replaceRoute(route), node.replaceRoute(route6)]);
    assert.partialDeepStrictEqual(await node.routes({ family: 4, protocol: 201 }), [route]);
    assert.partialDeepStrictEqual(await node.routes({ family: 6, table: 900 }), [route6]);
    assert.deepEqual(await node.routes({ family: 6, protocol: 202 }), []);
    assert.equal(await node.deleteRoute(route), true);
    assert.equal(await node.deleteRoute(route), false);
    const neighbour = { linkIndex, address: parseAddress("10.77.0.1"), mac: parseMac("aa:bb:cc:dd:ee:ff") };
    await node.replaceNeighbour(neighbour);
    assert.deepEqual(await node.neighbours({ family: 4, linkIndex }), [{ ...neighbour, permanent: true }]);
    assert.equal(await node.deleteNeighbour(neighbour), true);
    assert.equal(await node.deleteNeighbour(neighbour), false);
  });

  it("switches offloads and settings in that namespace alone", async () => {
    const { node, pod } = await pair();
    assert.equal(await pod.getOffload("eth0", "txChecksum"), true);
    await pod.setOffload("eth0", "txChecksum", false);
    assert.equal(await pod.getOffload("eth0", "txChecksum"), false);
    assert.equal(await node.getOffload("host0", "txChecksum"), true);

    // a new namespace begins with what the machine has
    await node.writeSysctl("net/ipv4/ip_forward", "0");
    await pod.writeSysctl("net/ipv4/ip_forward", "1");
    assert.equal(await pod.readSysctl("net/ipv4/ip_forward"), "1");
    assert.equal(await node.readSysctl("net/ipv4/ip_forward"), "0");
    assert.equal(await pod.readSysctl("net/ipv4/conf/eth9/forwarding"), undefined);
    await assert.rejects(pod.writeSysctl("net/../kernel/hostname", "x"), (error) => isErrno(error, "EINVAL"));
  });

  it("renames, and knows a link by a long alternative name", async () => {
    const { node } = await pair();
    const { index } = await node.link({ name: "host0" });
    await node.renameLink(index, "web-1a2b3c");
    await node.addAlternativeName(index, "shop/web-5d4f7c9b8-x2x4q");
    assert.equal((await node.link({ name: "shop/web-5d4f7c9b8-x2x4q" })).name, "web-1a2b3c");
    await node.removeAlternativeName(index, "shop/web-5d4f7c9b8-x2x4q");
    assert.equal(await node.findLink({ name: "shop/web-5d4f7c9b8-x2x4q" }), undefined);
  });

  it("deletes the tracked connections of one address, in the zones asked for", async () => {
    const node = await netlink.create();
    const track = (source: string, zone: number): string =>
      inside(
        node,
        "conntrack",
        "-I",
        "-p",
        "tcp",
        "-s",
        source,
        "-d",
        "10.0.0.9",
        "--sport",
        "1234",
        "--dport",
        "80",
        "--state",
        "ESTABLISHED",
        "-t",
        "300",
        "-u",
        "ASSURED",
        "--zone",
        String(zone),
      );
    track("10.0.0.1", 65520);
    track("10.0.0.1", 7);
    track("10.0.0.2", 65520);
    const before = await node.conntrack({ address: parseAddress("10.0.0.1") });
    assert.deepEqual(
      before.map(({ zone, original }) => [zone, original.destinationPort]).sort(),
      [
        [65520, 80],
        [7, 80],
      ].sort(),
    );
    assert.equal((await node.conntrack({ address: parseAddress("10.0.0.9") })).length, 3, "the answering end counts too");
    assert.equal(await node.deleteConntrack({ address: parseAddress("10.0.0.1"), zones: [65520] }), 1);
    const left = await node.conntrack();
    assert.deepEqual(left.map(({ zone, original }) => `${original.source} ${zone}`).sort(), ["10.0.0.1 7", "10.0.0.2 65520"]);
    assert.equal(await node.deleteConntrack({ address: parseAddress("fd00::1") }), 0);
  });

  it("hears of changes until told to stop", async () => {
    const node = await netlink.create();
    const events: NetworkEvent[] = [];
    const heard = Promise.withResolvers<void>();
    const stop = await node.watch(["link"], (event) => {
      events.push(event);
      if (event.kind === "link" && event.link.name === "b1") heard.resolve();
    });
    await node.createVeth({ name: "a1" }, { name: "b1" });
    await heard.promise;
    await stop();
    const count = events.length;
    await node.createVeth({ name: "a2" }, { name: "b2" });
    assert.equal(events.length, count);
  });

  it("goes on hearing while memory is collected", async () => {
    // The kernel writes into memory of ours for as long as a watch lasts: it has to stay ours.
    const node = await netlink.create();
    let heard = 0;
    const stops = await Promise.all([1, 2, 3, 4].map(() => node.watch(["link", "address", "route"], () => heard++)));
    for (let round = 0; round < 8; round++) {
      const names = Array.from({ length: 10 }, (_, index) => `v${round}x${index}`);
      for (const name of names) {
        const pod = await netlink.create();
        await node.createVeth({ name, up: true }, { name: "eth0", namespace: pod, up: true });
        await pod.close();
      }
      await Promise.all(names.map((name) => node.deleteLink({ name })));
    }
    for (const stop of stops) await stop();
    assert.ok(heard > 0);
  });

  it("sends frames of any kind", async () => {
    const { node, pod } = await pair();
    const { index } = await pod.link({ name: "eth0" });
    const received = async (): Promise<number> =>
      Number(JSON.parse(inside(node, "ip", "-j", "-s", "link", "show", "host0"))[0].stats64.rx.packets);
    const before = await received();
    await pod.sendFrames(index, [Buffer.concat([Buffer.from("ffffffffffff0a58000000020806", "hex"), Buffer.alloc(46)])]);
    assert.ok((await received()) > before);
  });

  it("answers more deletions at once than its threads may be asked for", async () => {
    const { node } = await pair();
    const gone = Array.from({ length: 400 }, () => node.deleteLink({ name: "none" }));
    assert.deepEqual(new Set(await Promise.all(gone)), new Set([false]));
  });

  it("names what is wrong", async () => {
    const node = await netlink.create();
    await assert.rejects(netlink.open("/run/netns/nl-test-absent"), NamespaceNotFound);
    await assert.rejects(netlink.open("/etc/hostname"), NamespaceNotFound);
    await assert.rejects(
      node.replaceRoute({ destination: parsePrefix("10.0.0.0/8"), gateway: parseAddress("9.9.9.9") }),
      /netlink request 24: ENETUNREACH/,
    );
    await node.close();
    await assert.rejects(node.links(), (error) => isErrno(error, "ENOENT"));
  });

  it("binds a namespace to a path and unbinds it", async () => {
    const path = `/run/netns/nl-test-${process.pid}`;
    const made = await netlink.create({ path });
    await made.close();
    const opened = await netlink.open(path);
    assert.deepEqual(
      (await opened.links()).map(({ name }) => name),
      ["lo"],
    );
    await netlink.remove(path);
    assert.equal(existsSync(path), false);
  });

  it("rejects calls after its end", async () => {
    const other = createNetlink({ runtime: { logger: silentLogger } });
    const links = other.home.links();
    await other.close();
    assert.ok((await links).length > 0, "what was under way is finished");
    await assert.rejects(other.home.links(), NetlinkClosed);
  });
});
