import { Command } from "commander";
import type { ConnectionFlags } from "../connection-flags.ts";
import { endpointOf } from "../endpoint.ts";
import { NotInThisMode, UnsupportedValue } from "../errors.ts";
import { type Mode, modeOf } from "../mode.ts";
import { checkFormat, formatAnswer } from "../output.ts";
import { featureGatesCommand } from "./feature-gates.ts";
import { sortedBy } from "./sort-by.ts";
import { type Answer, errorColumns, errorsPath, type GetResource, getResources } from "./resources.ts";

/** `antctl get …`: one command for each resource, and the switch's flows. */
export function getCommand(connection: () => ConnectionFlags, environment: NodeJS.ProcessEnv): Command {
  const get = new Command("get").description("show what an agent or the controller knows");
  for (const resource of getResources) get.addCommand(resourceCommand(resource, connection, environment));
  get.addCommand(ovsFlowsCommand(connection, environment));
  get.addCommand(featureGatesCommand(connection, environment));
  return get;
}

function resourceCommand(resource: GetResource, connection: () => ConnectionFlags, environment: NodeJS.ProcessEnv): Command {
  const modes = Object.keys(resource.paths) as Mode[];
  const command = new Command(resource.name)
    .aliases([...resource.aliases])
    .description(`${resource.description} (${modes.join(", ")} mode)`)
    .argument("[name]", "only this one")
    .option("-o, --output <format>", "table, json, yaml or raw", "table");
  for (const { flag, description } of resource.flags) command.option(flag, description);
  if (resource.sortBy !== undefined) command.option("--sort-by <field>", sortByHelp, resource.sortBy);
  if (resource.errors !== undefined) command.option("--errors", errorsHelp);
  return command.action(async (name: string | undefined, given: Readonly<Record<string, string | true>>) => {
    const options = given as Readonly<Record<string, string>>;
    const format = checkFormat(options.output ?? "");
    const mode = modeOf(environment);
    if (given.errors === true) return showErrors({ of: resource.errors ?? [], mode, format, connection, environment });
    const path = resource.paths[mode];
    if (path === undefined) throw new NotInThisMode(`get ${resource.name}`, mode, modes);
    const parameters = new URLSearchParams();
    for (const { flag, parameter } of resource.flags) {
      const value = options[/--([a-z]+)/.exec(flag)?.[1] ?? ""];
      if (value !== undefined) parameters.set(parameter, value);
    }
    withOwnNamespace(parameters);
    const endpoint = endpointOf({ mode, flags: connection(), environment });
    const aggregated = path.startsWith("/apis/");
    if (name !== undefined && !aggregated) parameters.set("name", name);
    const query = parameters.size > 0 ? `?${parameters}` : "";
    const answer = await endpoint(aggregated && name !== undefined ? `${path}/${encodeURIComponent(name)}` : `${path}${query}`);
    process.stdout.write(formatAnswer({ format, columns: resource.columns, ...inOrder(answer, options.sortBy) }));
  });
}

const sortByHelp = "put them in the order of this field; effectivePriority: policies as packets meet them";

/** The answer with its items sorted, where it has several. */
function inOrder(answer: unknown, field: string | undefined) {
  const items = itemsOf(answer);
  if (field === undefined || items.length < 2) return { answer, items };
  const sorted = sortedBy(items, field);
  return { answer: Array.isArray(answer) ? sorted : { ...(answer as Answer), items: sorted }, items: sorted, order: "kept" as const };
}

/** The component takes a Pod by NAMESPACE/NAME; people may also give its namespace apart. */
function withOwnNamespace(parameters: URLSearchParams): void {
  const [pod, namespace] = [parameters.get("pod"), parameters.get("namespace")];
  if (pod === null || pod.includes("/")) return;
  if (namespace === null) throw new UnsupportedValue(pod, "pod", "NAMESPACE/NAME, or NAME with --namespace");
  parameters.set("pod", `${namespace}/${pod}`);
  parameters.delete("namespace");
}

const errorsHelp = "agent mode: the rows that are not in force, and why";

/** Prints the rows of the targets `of` that are refused at the moment. */
async function showErrors(options: {
  readonly of: readonly string[] | "all";
  readonly mode: Mode;
  readonly format: ReturnType<typeof checkFormat>;
  readonly connection: () => ConnectionFlags;
  readonly environment: NodeJS.ProcessEnv;
}): Promise<void> {
  const { of, mode, format, connection, environment } = options;
  if (mode !== "agent") throw new NotInThisMode("get … --errors", mode, ["agent"]);
  const all = itemsOf(await endpointOf({ mode, flags: connection(), environment })(errorsPath));
  const answer = all.filter(({ target }) => of === "all" || of.includes(String(target)));
  process.stdout.write(formatAnswer({ answer, format, columns: errorColumns, items: answer }));
}

/** The items of an array, of a Kubernetes list, or the one object itself. */
function itemsOf(answer: unknown): readonly Answer[] {
  if (Array.isArray(answer)) return answer as Answer[];
  const items = (answer as { items?: unknown } | null)?.items;
  if (Array.isArray(items)) return items as Answer[];
  return typeof answer === "object" && answer !== null ? [answer as Answer] : [];
}

function ovsFlowsCommand(connection: () => ConnectionFlags, environment: NodeJS.ProcessEnv): Command {
  return new Command("ovsflows")
    .aliases(["of"])
    .description("the switch's flows, in ovs-ofctl's syntax (agent mode)")
    .option("-p, --pod <name>", "flows of this Pod; needs --namespace")
    .option("-S, --service <name>", "flows of this Service; needs --namespace")
    .option("-N, --networkpolicy <name>", "flows of this NetworkPolicy; needs --namespace")
    .option("-n, --namespace <namespace>", "namespace of the Pod, Service or policy")
    .option("--type <type>", "kind of that policy, where several have its name: K8sNP, ACNP, ANNP, ANP, BANP, K8sCNP")
    .option("-T, --table <table>", "flows of this table, by name or number; several comma-separated")
    .option("--table-names-only", "the tables' names instead of flows")
    .option("-G, --groups <ids>", "groups instead of flows: ids comma-separated, or all")
    .option("--errors", errorsHelp)
    .option("-o, --output <format>", "table, json, yaml or raw", "table")
    .action(async (options: Readonly<Record<string, string | true>>) => {
      const format = checkFormat(String(options.output));
      const mode = modeOf(environment);
      if (options.errors === true) return showErrors({ of: ["flow", "group"], mode, format, connection, environment });
      if (mode !== "agent") throw new NotInThisMode("get ovsflows", mode, ["agent"]);
      const parameters = new URLSearchParams();
      for (const flag of ["pod", "service", "networkpolicy", "namespace", "type", "table", "groups"] as const) {
        const value = options[flag];
        if (typeof value === "string") parameters.set(flag, value);
      }
      if (options.tableNamesOnly === true) parameters.set("table-names-only", "");
      const answer = await endpointOf({ mode, flags: connection(), environment })(
        `/ovsflows${parameters.size > 0 ? `?${parameters}` : ""}`,
      );
      if (format === "table")
        process.stdout.write(
          itemsOf(answer)
            .map((item) => `${String(item.flow)}\n`)
            .join(""),
        );
      else process.stdout.write(formatAnswer({ answer, format, columns: [], items: [] }));
    });
}
