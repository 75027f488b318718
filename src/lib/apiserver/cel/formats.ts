import { type Environment, Optional } from "@marcbachmann/cel-js";
import { hasFormat } from "../rules/formats.ts";
import { label, label1035, labelValue, qualifiedName, subdomain } from "../rules/names.ts";

/** A value of the CEL type `kubernetes.NamedFormat`. */
class NamedFormat {
  /** What is wrong with a text; undefined when nothing is. */
  readonly problem: (text: string) => string | undefined;
  constructor(problem: (text: string) => string | undefined) {
    this.problem = problem;
  }
}

/** What `format` is where it is no function: the place of `format.named`. */
class FormatNamespace {}

/** What a name may begin with to which the server adds letters: a dash at the end stands for those. */
const prefix =
  (rule: (text: string) => string | undefined) =>
  (text: string): string | undefined =>
    rule(text.length > 1 && text.endsWith("-") ? `${text.slice(0, -2)}a` : text);

const openApi =
  (format: string, problem: string) =>
  (text: string): string | undefined =>
    hasFormat(format, text) ? undefined : problem;

const formats: Readonly<Record<string, NamedFormat>> = {
  dns1123Label: new NamedFormat(label),
  dns1123Subdomain: new NamedFormat(subdomain),
  dns1035Label: new NamedFormat(label1035),
  qualifiedName: new NamedFormat(qualifiedName),
  dns1123LabelPrefix: new NamedFormat(prefix(label)),
  dns1123SubdomainPrefix: new NamedFormat(prefix(subdomain)),
  dns1035LabelPrefix: new NamedFormat(prefix(label1035)),
  labelValue: new NamedFormat(labelValue),
  uri: new NamedFormat(openApi("uri", "is no URI that a request could be sent to")),
  uuid: new NamedFormat(openApi("uuid", "does not match the UUID format")),
  byte: new NamedFormat(openApi("byte", "invalid base64")),
  date: new NamedFormat(openApi("date", "invalid date")),
  datetime: new NamedFormat(openApi("datetime", "invalid datetime")),
};

/** The format library of Kubernetes: `format.named("uuid")`, `format.uuid()` and the like, and their `validate`, which answers what is wrong or nothing. */
export function withFormats(environment: Environment): Environment {
  environment
    .registerType("kubernetes.NamedFormat", { ctor: NamedFormat, fields: {} })
    .registerType("kubernetes.Formats", { ctor: FormatNamespace, fields: {} })
    .registerConstant("format", "kubernetes.Formats", new FormatNamespace())
    .registerFunction("kubernetes.Formats.named(string): optional<kubernetes.NamedFormat>", (_: FormatNamespace, name: string) => {
      const found = Object.hasOwn(formats, name) ? formats[name] : undefined;
      return found === undefined ? Optional.none() : Optional.of(found);
    })
    .registerFunction("kubernetes.NamedFormat.validate(string): optional<list<string>>", ({ problem }: NamedFormat, text: string) => {
      const found = problem(text);
      return found === undefined ? Optional.none() : Optional.of([found]);
    });
  for (const [name, format] of Object.entries(formats))
    environment.registerFunction(`kubernetes.Formats.${name}(): kubernetes.NamedFormat`, () => format);
  return environment;
}
