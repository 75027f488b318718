import type { Action, ControllerAction, PacketInReason } from "../action.ts";
import { fields } from "../fields.ts";
import { readFieldHeader, writeFieldHeader } from "../oxm.ts";
import { formatPort, parsePort, portFromWire, portFromWire16, portToWire, portToWire16 } from "../port.ts";
import { formatSubfield, tryParseSubfield } from "../subfield.ts";
import { type ActionCodec, compact, niciraHeader, packRange, parseNumber, parseOptions, standardHeader, unpackRange } from "./codec.ts";

type Of<Type extends Action["type"]> = ActionCodec<Extract<Action, { readonly type: Type }>>;

/** Ports below this are real ones; ovs-ofctl writes the others by name alone. */
const firstReserved = 0xffffff00;
const wholePacket = 0xffff;

export const output: Of<"output"> = {
  write(writer, { port, maxLength }) {
    const wire = portToWire(port);
    if (maxLength === undefined || wire === portToWire("CONTROLLER"))
      standardHeader(writer, 0)
        .uint32(wire)
        .uint16(wire === portToWire("CONTROLLER") ? (maxLength ?? wholePacket) : 0)
        .zeros(6);
    else
      niciraHeader(writer, 39)
        .uint16(portToWire16(port) ?? 0)
        .uint32(maxLength);
  },
  standard: {
    0(body) {
      const port = portFromWire(body.uint32());
      const maxLength = body.uint16();
      return port === "CONTROLLER" && maxLength !== wholePacket ? { type: "output", port, maxLength } : { type: "output", port };
    },
  },
  nicira: { 39: (body) => ({ type: "output", port: portFromWire16(body.uint16()), maxLength: body.uint32() }) },
  format({ port, maxLength }) {
    if (portToWire(port) === portToWire("CONTROLLER")) return `CONTROLLER:${maxLength ?? wholePacket}`;
    if (maxLength !== undefined) return `output(port=${formatPort(port)},max_len=${maxLength})`;
    return portToWire(port) < firstReserved ? `output:${formatPort(port)}` : formatPort(port);
  },
  parse: {
    output({ argument }) {
      const options = new Map(parseOptions(argument));
      const port = parsePort(options.get("port") ?? argument);
      const maxLength = options.get("max_len");
      if (port !== undefined)
        return compact<Extract<Action, { type: "output" }>>({
          type: "output",
          port,
          maxLength: maxLength === undefined ? undefined : parseNumber(maxLength, 0xffffffff),
        });
      const source = tryParseSubfield(argument);
      return source === undefined ? undefined : { type: "output_reg", source };
    },
  },
};

export const outputReg: Of<"output_reg"> = {
  write(writer, { source, maxLength }) {
    niciraHeader(writer, 15).uint16(packRange(source));
    writeFieldHeader(writer, fields[source.field]);
    writer.uint16(maxLength ?? wholePacket).zeros(6);
  },
  nicira: {
    15(body) {
      const range = unpackRange(body.uint16());
      const { field } = readFieldHeader(body);
      const maxLength = body.uint16();
      if (field === undefined) return undefined;
      const source = { field: field.name, ...range };
      return maxLength === wholePacket ? { type: "output_reg", source } : { type: "output_reg", source, maxLength };
    },
  },
  format: ({ source }) => `output:${formatSubfield(source)}`,
  parse: {},
};

export const group: Of<"group"> = {
  write: (writer, action) => void standardHeader(writer, 22).uint32(action.group),
  standard: { 22: (body) => ({ type: "group", group: body.uint32() }) },
  format: (action) => `group:${action.group}`,
  parse: {
    group({ argument }) {
      const number = parseNumber(argument, 0xffffffff);
      return number === undefined ? undefined : { type: "group", group: number };
    },
  },
};

/** `OFPR_*` by number. */
export const packetInReasons: readonly PacketInReason[] = ["no_match", "action", "invalid_ttl", "action_set", "group", "packet_out"];

export const controllerProperty = { maxLength: 0, id: 1, reason: 2, userdata: 3, pause: 4, meter: 5 } as const;

export const controller: Of<"controller"> = {
  write(writer, action) {
    const { maxLength, id, reason, userdata, pause, meter } = action;
    if (userdata === undefined && pause === undefined && meter === undefined) {
      const code = packetInReasons.indexOf(reason ?? "action");
      if (id === undefined && reason === undefined) output.write(writer, plain(action), { depth: 0, write() {}, read: () => [] });
      else
        niciraHeader(writer, 20)
          .uint16(maxLength ?? wholePacket)
          .uint16(id ?? 0)
          .uint8(code)
          .uint8(0);
      return;
    }
    niciraHeader(writer, 37).zeros(6);
    const start = writer.length;
    if (maxLength !== undefined) writer.uint16(controllerProperty.maxLength).uint16(6).uint16(maxLength).align(8, start);
    if (id !== undefined) writer.uint16(controllerProperty.id).uint16(6).uint16(id).align(8, start);
    if (reason !== undefined) writer.uint16(controllerProperty.reason).uint16(5).uint8(packetInReasons.indexOf(reason)).align(8, start);
    if (userdata !== undefined)
      writer
        .uint16(controllerProperty.userdata)
        .uint16(4 + userdata.length)
        .bytes(userdata)
        .align(8, start);
    if (pause) writer.uint16(controllerProperty.pause).uint16(4).align(8, start);
    if (meter !== undefined) writer.uint16(controllerProperty.meter).uint16(8).uint32(meter);
  },
  nicira: {
    20(body) {
      const maxLength = body.uint16();
      const id = body.uint16();
      const reason = packetInReasons[body.uint8()];
      return reason === undefined ? undefined : normal({ type: "controller", maxLength, id, reason });
    },
    37(body) {
      body.skip(6);
      let found: ControllerAction = { type: "controller" };
      while (body.left > 0) {
        const type = body.uint16();
        const length = body.uint16();
        const value = body.inner(length - 4);
        body.skip(Math.min((8 - (length % 8)) % 8, body.left));
        if (type === controllerProperty.maxLength) found = { ...found, maxLength: value.uint16() };
        else if (type === controllerProperty.id) found = { ...found, id: value.uint16() };
        else if (type === controllerProperty.reason) {
          const reason = packetInReasons[value.uint8()];
          if (reason === undefined) return undefined;
          found = { ...found, reason };
        } else if (type === controllerProperty.userdata) found = { ...found, userdata: value.rest().slice() };
        else if (type === controllerProperty.pause) found = { ...found, pause: true };
        else if (type === controllerProperty.meter) found = { ...found, meter: value.uint32() };
        else return undefined;
      }
      return normal(found);
    },
  },
  format(action) {
    const { maxLength, id, reason, userdata, pause, meter } = action;
    const options = [
      reason === undefined || reason === "action" ? "" : `reason=${reason}`,
      maxLength === undefined || maxLength === wholePacket ? "" : `max_len=${maxLength}`,
      id ? `id=${id}` : "",
      userdata === undefined || userdata.length === 0 ? "" : `userdata=${dottedHex(userdata)}`,
      pause ? "pause" : "",
      meter === undefined ? "" : `meter_id=${meter}`,
    ].filter((option) => option !== "");
    if (options.length === 0 || (options.length === 1 && options[0]?.startsWith("max_len")))
      return `CONTROLLER:${maxLength ?? wholePacket}`;
    return `controller(${options.join(",")})`;
  },
  parse: {
    controller({ argument, rest }) {
      if (rest !== "") return undefined;
      const only = argument === "" ? wholePacket : parseNumber(argument, 0xffff);
      if (only !== undefined) return plain({ type: "controller", maxLength: only });
      let found: ControllerAction = { type: "controller" };
      for (const [key, value] of parseOptions(argument)) {
        const number = parseNumber(value, key === "meter_id" ? 0xffffffff : 0xffff);
        const reason = packetInReasons.find((name) => name === value);
        if (key === "max_len" && number !== undefined) found = { ...found, maxLength: number };
        else if (key === "id" && number !== undefined) found = { ...found, id: number };
        else if (key === "meter_id" && number !== undefined) found = { ...found, meter: number };
        else if (key === "reason" && reason !== undefined) found = { ...found, reason };
        else if (key === "userdata" && /^([0-9a-f]{2}\.?)*$/i.test(value)) found = { ...found, userdata: parseDottedHex(value) };
        else if (key === "pause" && value === "") found = { ...found, pause: true };
        else return undefined;
      }
      return normal(found);
    },
  },
};

/** `00.01.ff`. */
export const dottedHex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(".");
export const parseDottedHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(".", ""), "hex"));

/** An output to the controller says the same as a controller action without options. */
function plain({ maxLength }: ControllerAction): Extract<Action, { type: "output" }> {
  return maxLength === undefined || maxLength === wholePacket
    ? { type: "output", port: "CONTROLLER" }
    : { type: "output", port: "CONTROLLER", maxLength };
}

/** Without what is default; as an output when nothing else is left. */
function normal({ maxLength, id, reason, userdata, pause, meter }: ControllerAction): Action {
  const action = compact<ControllerAction>({
    type: "controller",
    maxLength: maxLength === wholePacket ? undefined : maxLength,
    id: id === 0 ? undefined : id,
    reason: reason === "action" ? undefined : reason,
    userdata: userdata?.length === 0 ? undefined : userdata,
    pause,
    meter,
  });
  return Object.keys(action).every((key) => key === "type" || key === "maxLength") ? plain(action) : action;
}
