import type { ProtobufCodec } from "#lib/kube/protobuf/index.ts";
import { apiVersionOf } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { toPartial, toPartialList } from "../printing/partial.ts";
import { toTable } from "../printing/table.ts";
import type { ResourceDefinition } from "../resource.ts";
import type { Awaitable, StoreEvent, StoreList } from "../resource-store.ts";
import { jsonOf, passingJsonOf } from "../store/encoding.ts";
import { listMetaOf } from "./list-meta.ts";
import { includeObjectOf, negotiate } from "./negotiation.ts";
import { protobufRendering } from "./protobuf-rendering.ts";
import { sharedLines } from "./shared-lines.ts";

/** Part of an answer: text, or bytes. */
export type Piece = string | Uint8Array;

/** Turns objects of one kind into what this client asked for. */
export interface Rendering {
  /** Media type of objects and lists. */
  readonly type: string;
  /** Media type of a watch. */
  readonly watchType: string;
  object(object: KubeObject): Piece;
  /** In pieces, as a whole list may be too large to have at once. */
  list(list: StoreList): Awaitable<Iterable<Piece>>;
  /** An event of a watch as it is sent. `first` is true for the first of the watch that is no bookmark. */
  event(event: StoreEvent, first: boolean): Buffer;
  /** Whether each watcher has bytes of its own, instead of those that all watchers of the form share. Default false. */
  readonly ownEvents?: true;
}

export interface RenderingRequest {
  readonly definition: ResourceDefinition;
  readonly protobuf: ProtobufCodec;
  readonly accept: string | undefined;
  readonly parameters: URLSearchParams;
  /** Wall time in milliseconds, for ages. */
  readonly now: () => number;
}

const json = { type: "application/json", watchType: "application/json" };

/** Throws NotAcceptable when the client takes no form that is served. */
export function renderingFor(request: RenderingRequest): Rendering {
  const { definition, protobuf, accept } = request;
  const kind = { apiVersion: apiVersionOf(definition), kind: definition.kind };
  const { form, encoding } = negotiate(accept, { protobuf: protobuf.knows(kind), table: !definition.transient });
  if (encoding === "protobuf") return protobufRendering({ codec: protobuf, definition, metadataOnly: form === "partial" });
  if (form === "object") return { ...json, object: jsonOf, list: (list) => listPieces(definition, list), event: sharedLine };
  return form === "partial" ? partialRendering : tableRendering(request);
}

const partialRendering: Rendering = {
  ...json,
  object: (object) => JSON.stringify(toPartial(object)),
  list: (list) => [JSON.stringify(toPartialList({ objects: list.items, list: listMetaOf(list) }))],
  event: sharedLines(({ type, object }) => lineOf(type, JSON.stringify(type === "ERROR" ? object : toPartial(object)))),
};

function tableRendering({ definition: { columns }, parameters, now }: RenderingRequest): Rendering {
  const includeObject = includeObjectOf(parameters);
  return {
    ...json,
    ownEvents: true,
    object: (object) => JSON.stringify(toTable({ objects: [object], columns, includeObject, now: now() })),
    list: (list) => [JSON.stringify(toTable({ objects: list.items, columns, includeObject, list: listMetaOf(list), now: now() }))],
    event({ type, object }, first) {
      if (type === "ERROR") return lineOf(type, JSON.stringify(object));
      if (type !== "BOOKMARK")
        return lineOf(type, JSON.stringify(toTable({ objects: [object], columns, includeObject, now: now(), definitions: first })));
      const { resourceVersion = "" } = object.metadata;
      return lineOf(type, JSON.stringify(toTable({ objects: [], columns, list: { resourceVersion }, now: now(), definitions: false })));
    },
  };
}

function* listPieces(definition: ResourceDefinition, list: StoreList): Iterable<string> {
  const head = JSON.stringify({ kind: definition.listKind, apiVersion: apiVersionOf(definition), metadata: listMetaOf(list) });
  yield `${head.slice(0, -1)},"items":[`;
  let between = "";
  for (const item of list.items) {
    yield between;
    yield passingJsonOf(item);
    between = ",";
  }
  yield "]}";
}

const sharedLine = sharedLines(({ type, object, own }) => lineOf(type, own || type === "ERROR" ? JSON.stringify(object) : jsonOf(object)));

const lineOf = (type: StoreEvent["type"], text: string): Buffer => Buffer.from(`{"type":"${type}","object":${text}}\n`, "utf8");
