import { apiVersionOf } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { toPartial, toPartialList } from "../printing/partial.ts";
import { toTable } from "../printing/table.ts";
import type { ResourceDefinition } from "../resource.ts";
import type { StoreList } from "../resource-store.ts";
import { jsonOf, passingJsonOf } from "../store/encoding.ts";
import { includeObjectOf, negotiateForm } from "./negotiation.ts";

/** Turns objects of one kind into the JSON text that this client asked for. */
export interface Rendering {
  object(object: KubeObject): string;
  /** In pieces, as a whole list may be too large to have at once. */
  list(list: StoreList): Iterable<string>;
  /** Of an event in a watch. `first` is true for the first event of the watch. */
  event(object: KubeObject, first: boolean): string;
  /** Of an object that carries nothing but a resourceVersion. */
  bookmark(object: KubeObject): string;
  /** True when {@link Rendering.event} depends on nothing but the object, so that all watchers may share its text. */
  readonly plain: boolean;
}

export interface RenderingRequest {
  readonly definition: ResourceDefinition;
  readonly accept: string | undefined;
  readonly parameters: URLSearchParams;
  /** Wall time in milliseconds, for ages. */
  readonly now: () => number;
}

/** Throws NotAcceptable when the client takes no form that is served. */
export function renderingFor({ definition, accept, parameters, now }: RenderingRequest): Rendering {
  const form = negotiateForm(accept);
  if (form === "object") {
    return { plain: true, object: jsonOf, event: jsonOf, bookmark: jsonOf, list: (list) => listPieces(definition, list) };
  }
  if (form === "partial") {
    const partial = (object: KubeObject): string => JSON.stringify(toPartial(object));
    const partialList = (list: StoreList): string[] => [JSON.stringify(toPartialList({ objects: list.items, list: listMeta(list) }))];
    return { plain: false, object: partial, event: partial, bookmark: partial, list: partialList };
  }
  const { columns } = definition;
  const includeObject = includeObjectOf(parameters);
  return {
    plain: false,
    object: (object) => JSON.stringify(toTable({ objects: [object], columns, includeObject, now: now() })),
    list: (list) => [JSON.stringify(toTable({ objects: list.items, columns, includeObject, list: listMeta(list), now: now() }))],
    event: (object, first) => JSON.stringify(toTable({ objects: [object], columns, includeObject, now: now(), definitions: first })),
    bookmark: ({ metadata: { resourceVersion = "" } }) =>
      JSON.stringify(toTable({ objects: [], columns, list: { resourceVersion }, now: now(), definitions: false })),
  };
}

function* listPieces(definition: ResourceDefinition, list: StoreList): Iterable<string> {
  const head = JSON.stringify({ kind: definition.listKind, apiVersion: apiVersionOf(definition), metadata: listMeta(list) });
  yield `${head.slice(0, -1)},"items":[`;
  let between = "";
  for (const item of list.items) {
    yield between;
    yield passingJsonOf(item);
    between = ",";
  }
  yield "]}";
}

function listMeta({ resourceVersion, continue: token, remainingItemCount }: StoreList) {
  return {
    resourceVersion,
    ...(token === undefined ? {} : { continue: token }),
    ...(remainingItemCount === undefined ? {} : { remainingItemCount }),
  };
}
