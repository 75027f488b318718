import { setImmediate } from "node:timers/promises";
import { NotEncodable } from "#lib/kube/errors.ts";
import { type ProtobufCodec, protobufMediaType, type TypeMeta, watchFrame } from "#lib/kube/protobuf/index.ts";
import { apiVersionOf } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { internalError } from "../errors.ts";
import { toPartial } from "../printing/partial.ts";
import type { ResourceDefinition } from "../resource.ts";
import type { StoreEvent, StoreList } from "../resource-store.ts";
import { listMetaOf } from "./list-meta.ts";
import type { Rendering } from "./rendering.ts";
import { sharedLines } from "./shared-lines.ts";

/** After so much of a list was encoded, others get their turn: about 5 ms. The length of a list stands before it, so that all of it is made before the first byte leaves. */
const turnBytes = 256 * 1024;

interface Form {
  readonly codec: ProtobufCodec;
  readonly definition: ResourceDefinition;
  readonly metadataOnly: boolean;
}

const partialKind = { apiVersion: "meta.k8s.io/v1", kind: "PartialObjectMetadata" };

/** Objects as Kubernetes' protobuf: whole, or with their metadata only. */
export function protobufRendering({ codec, definition, metadataOnly }: Form): Rendering {
  const own: TypeMeta = { apiVersion: apiVersionOf(definition), kind: definition.kind };
  const encode = (object: KubeObject): Uint8Array =>
    // a watch of the controller's groups has kinds of its own
    metadataOnly ? codec.encode(partialKind, toPartial(object)) : codec.encode(kindOf(object, own), object);
  return {
    type: protobufMediaType,
    watchType: `${protobufMediaType};stream=watch`,
    object: encode,
    async list(list) {
      const item = metadataOnly ? partialKind : own;
      const kind = metadataOnly ? { ...partialKind, kind: "PartialObjectMetadataList" } : { ...own, kind: definition.listKind };
      return codec.listPieces({ ...kind, metadata: listMetaOf(list) }, await encodeItems(list, (object) => codec.encodeItem(item, object)));
    },
    ...(metadataOnly ? { ownEvents: true } : {}),
    event: metadataOnly ? (event) => frameOf(event, encode) : sharedFrames(definition, codec, (event) => frameOf(event, encode)),
  };

  function frameOf({ type, object }: StoreEvent, form: (object: KubeObject) => Uint8Array): Buffer {
    const status = { apiVersion: "v1", kind: "Status" };
    try {
      return watchFrame(type, type === "ERROR" ? codec.encode(status, object) : form(object));
    } catch (error) {
      // an object that no schema holds to its types: the client is told, instead of something else
      if (!(error instanceof NotEncodable)) throw error;
      return watchFrame("ERROR", codec.encode(status, internalError(error.message).status));
    }
  }
}

/** Frames that all watchers share, of each codec. Those of a kind are encoded alike, whoever's request it is that encodes them. */
const frames = new WeakMap<ProtobufCodec, Map<string, (event: StoreEvent) => Buffer>>();

function sharedFrames(
  definition: ResourceDefinition,
  codec: ProtobufCodec,
  encode: (event: StoreEvent) => Buffer,
): (event: StoreEvent) => Buffer {
  const ofCodec = frames.get(codec) ?? new Map<string, (event: StoreEvent) => Buffer>();
  frames.set(codec, ofCodec);
  const kind = `${apiVersionOf(definition)} ${definition.kind}`;
  const shared = ofCodec.get(kind) ?? sharedLines(encode);
  ofCodec.set(kind, shared);
  return shared;
}

async function encodeItems({ items }: StoreList, encode: (object: KubeObject) => Uint8Array): Promise<Uint8Array[]> {
  const encoded: Uint8Array[] = [];
  let bytes = 0;
  for (const object of items) {
    const item = encode(object);
    encoded.push(item);
    bytes += item.length;
    if (bytes < turnBytes) continue;
    bytes = 0;
    await setImmediate();
  }
  return encoded;
}

const kindOf = ({ apiVersion, kind }: KubeObject, own: TypeMeta): TypeMeta =>
  apiVersion === undefined || kind === undefined ? own : { apiVersion, kind };
