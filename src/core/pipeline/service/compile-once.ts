import { endpointKey, type Frontend, frontendKey } from "#core/services/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import type { Group } from "#lib/openflow/group.ts";
import type { Pipeline } from "../tables.ts";
import { type CompiledFrontend, compileFrontend } from "./compile.ts";
import { contentDigest } from "./content-ids.ts";

/** What a number is given for, and what the number follows from. */
export interface ContentKey {
  readonly key: string;
  readonly digest: number;
}

/** What a frontend needs numbers for. */
export interface FrontendKeys {
  readonly group: ContentKey;
  /** In the frontend's order. */
  readonly endpoints: readonly ContentKey[];
}

/** The numbers of a Service and of its frontends, in their order. */
export interface GivenNumbers {
  readonly service: number;
  readonly frontends: readonly { readonly group: number; readonly endpoints: readonly number[] }[];
}

/** Lists never change: what is known of one is so for whoever has it. Agents of one process that were told the same objects have the same lists. */
const keysOf = new WeakMap<readonly Frontend[], readonly FrontendKeys[]>();
const compiled = new WeakMap<
  readonly Frontend[],
  { readonly pipeline: Pipeline; readonly numbers: GivenNumbers; readonly result: CompiledFrontend }
>();

/** What numbers these frontends need. */
export function keysOfFrontends(frontends: readonly Frontend[]): readonly FrontendKeys[] {
  const known = keysOf.get(frontends);
  if (known !== undefined) return known;
  const keys = frontends.map((frontend): FrontendKeys => {
    const own = frontendKey(frontend);
    return {
      group: withDigest(own),
      endpoints: frontend.endpoints.map((endpoint) => withDigest(`${own} ${endpointKey(endpoint)}`)),
    };
  });
  keysOf.set(frontends, keys);
  return keys;
}

/** All that serves these frontends with these numbers, frozen. What was compiled last of the same list with the same numbers is given back. */
export function compileOnce(pipeline: Pipeline, frontends: readonly Frontend[], numbers: GivenNumbers): CompiledFrontend {
  const known = compiled.get(frontends);
  if (known !== undefined && known.pipeline === pipeline && sameNumbers(known.numbers, numbers)) return known.result;
  const flows: Flow[] = [];
  const groups: Group[] = [];
  for (const [index, frontend] of frontends.entries()) {
    const given = numbers.frontends[index];
    if (given === undefined) throw new RangeError(`no numbers for ${frontend.portName}`);
    const made = compileFrontend(pipeline, frontend, { service: numbers.service, ...given });
    flows.push(...made.flows);
    groups.push(...made.groups);
  }
  const result = { flows: Object.freeze(flows.map((flow) => Object.freeze(flow))), groups: Object.freeze(groups) };
  compiled.set(frontends, { pipeline, numbers, result });
  return result;
}

const withDigest = (key: string): ContentKey => ({ key, digest: contentDigest(key) });

function sameNumbers(one: GivenNumbers, other: GivenNumbers): boolean {
  return (
    one.service === other.service &&
    one.frontends.every(({ group, endpoints }, index) => {
      const theirs = other.frontends[index];
      return theirs?.group === group && endpoints.every((id, at) => theirs.endpoints[at] === id);
    })
  );
}
