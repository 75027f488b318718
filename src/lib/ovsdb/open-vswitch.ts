import { map, one, optional, set } from "./declaration.ts";

/** The tables and columns of ovs-vswitchd.conf.db(5) that we use. Checked against the server's schema at every connect. */
export const openVSwitch = {
  name: "Open_vSwitch",
  tables: {
    Open_vSwitch: {
      bridges: set("uuid"),
      cur_cfg: one("integer"),
      next_cfg: one("integer"),
      external_ids: map("string", "string"),
      other_config: map("string", "string"),
      ovs_version: optional("string"),
      datapath_types: set("string"),
    },
    Bridge: {
      name: one("string"),
      ports: set("uuid"),
      datapath_type: one("string"),
      fail_mode: optional("string"),
      protocols: set("string"),
      flow_tables: map("integer", "uuid"),
      external_ids: map("string", "string"),
      other_config: map("string", "string"),
    },
    Port: {
      name: one("string"),
      interfaces: set("uuid"),
      tag: optional("integer"),
      external_ids: map("string", "string"),
      other_config: map("string", "string"),
    },
    Interface: {
      name: one("string"),
      type: one("string"),
      ofport: optional("integer"),
      ofport_request: optional("integer"),
      mac: optional("string"),
      mac_in_use: optional("string"),
      mtu: optional("integer"),
      mtu_request: optional("integer"),
      admin_state: optional("string"),
      link_state: optional("string"),
      ifindex: optional("integer"),
      error: optional("string"),
      options: map("string", "string"),
      external_ids: map("string", "string"),
    },
    Flow_Table: {
      name: optional("string"),
      prefixes: set("string"),
      external_ids: map("string", "string"),
    },
  },
} as const;

export type OpenVSwitch = typeof openVSwitch;
