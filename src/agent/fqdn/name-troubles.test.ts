import assert from "node:assert/strict";
import { test } from "node:test";
import { createFqdnCache } from "#core/fqdn/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import { createTable } from "#lib/table/index.ts";
import type { ServiceRow } from "../flows/index.ts";
import { namesOfServices, serviceAddresses } from "./name-troubles.ts";

test("a name that stands for a Service's address is named, for as long as there is the Service", () => {
  const services = createTable<ServiceRow>({ name: "services", key: ({ key }) => key });
  const serviceAt = serviceAddresses(services);
  const cache = createFqdnCache();
  cache.setSet("s", { patterns: ["*.svc.test"], denies: false }, 0);
  const learn = (name: string, text: string) =>
    cache.learn(
      { name, families: [4], addresses: [{ address: parseAddress(text), ttl: 30 }] },
      { from: { by: "pod", pod: "shop/a" }, now: 0 },
    );
  learn("web.svc.test", "10.96.0.9");
  learn("headless.svc.test", "10.10.0.4");
  assert.deepEqual(namesOfServices(cache.rows(), serviceAt), []);
  const frontend = { portName: "shop/web:http", protocol: "TCP", port: 80, endpoints: [], whenEmpty: "reject" } as const;
  services.upsert({ key: "shop/web", frontends: [{ ...frontend, address: parseAddress("10.96.0.9") }] });
  assert.deepEqual(namesOfServices(cache.rows(), serviceAt), [
    { name: "web.svc.test", reason: "10.96.0.9 is the Service shop/web, whose endpoints rules see: name it by toServices" },
  ]);
  services.delete("shop/web");
  assert.deepEqual(namesOfServices(cache.rows(), serviceAt), []);
});
