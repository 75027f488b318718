import type { Json } from "../openapi/schema.ts";
import { isArray, isObject } from "../patch/json.ts";
import { type BodyFindings, mostFindings } from "../rules/context.ts";

/** Of the text of an object. */
export const objectFindings = (text: string): BodyFindings => ({ texts: duplicateTexts(text) });

/** Of the text of a patch that has the shape of the object. */
export const mergePatchFindings = (text: string): BodyFindings => ({ ...objectFindings(text), ofPatch: true });

/** Of the text of a JSON patch, whose operations have fields of their own. */
export function jsonPatchFindings(text: string, patch: Json): BodyFindings {
  const operations = isArray(patch) ? patch : [];
  const unknown = operations.flatMap((operation, index) =>
    isObject(operation)
      ? Object.keys(operation).flatMap((name) => (operationFields.has(name) ? [] : [`unknown field "[${index}].${name}"`]))
      : [],
  );
  return { texts: [...unknown.slice(0, mostFindings), ...duplicateTexts(text)].map((one) => `json patch ${one}`), ofPatch: true };
}

const operationFields = new Set(["op", "path", "from", "value"]);

const duplicateTexts = (text: string): string[] => duplicateFields(text).map((path) => `duplicate field ${JSON.stringify(path)}`);

/**
 * The paths of fields that a JSON text names twice in one object (`spec.ports[0].name`): the parser keeps the last of them. `text` must be JSON and nest
 * no deeper than request bodies may.
 */
export function duplicateFields(text: string): string[] {
  const found: string[] = [];
  const scopes: Scope[] = [];
  let index = 0;
  while (index < text.length && found.length < mostFindings) {
    const scope = scopes.at(-1);
    switch (text.charCodeAt(index)) {
      case openBrace:
        scopes.push({ fields: new Set(), name: "", item: -1 });
        break;
      case openBracket:
        scopes.push({ fields: undefined, name: "", item: 0 });
        break;
      case closeBrace:
      case closeBracket:
        scopes.pop();
        break;
      case comma:
        if (scope !== undefined && scope.fields === undefined) scope.item++;
        break;
      case quote: {
        const end = endOfString(text, index);
        if (scope?.fields !== undefined && isName(text, end)) {
          scope.name = JSON.parse(text.slice(index, end)) as string;
          if (scope.fields.has(scope.name)) found.push(pathOf(scopes));
          scope.fields.add(scope.name);
        }
        index = end - 1;
        break;
      }
      default:
    }
    index++;
  }
  return found;
}

interface Scope {
  /** Names seen in an object; undefined for a list. */
  readonly fields: Set<string> | undefined;
  name: string;
  item: number;
}

const [quote, comma, openBrace, closeBrace, openBracket, closeBracket, backslash, colon] = [...'",{}[]\\:'].map((one) => one.charCodeAt(0));

function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text.charCodeAt(index) !== quote) index += text.charCodeAt(index) === backslash ? 2 : 1;
  return index + 1;
}

/** A string is a name when a colon follows. */
function isName(text: string, end: number): boolean {
  let index = end;
  while (index < text.length && text.charCodeAt(index) <= 0x20) index++;
  return text.charCodeAt(index) === colon;
}

const pathOf = (scopes: readonly Scope[]): string =>
  scopes.map(({ fields, name, item }, depth) => (fields === undefined ? `[${item}]` : `${depth === 0 ? "" : "."}${name}`)).join("");
