import type { OpenApiDocuments } from "../http/serve-path.ts";
import type { Objects } from "../objects.ts";
import { createOpenApi } from "../openapi/open-api.ts";
import type { ApiServices } from "./api-services.ts";

const nobody: Pick<ApiServices, "documentsV2" | "documentsV3"> = { documentsV2: () => none, documentsV3: () => new Map() };
const none = [] as const;

/** The OpenAPI documents of this server's kinds, as they are now, and of the servers behind it. */
export function mergedDocuments(objects: Pick<Objects, "definitions">, apiServices = nobody): OpenApiDocuments {
  let others = apiServices.documentsV2();
  let { definitions } = objects;
  let own = createOpenApi(definitions, others);
  const current = (): OpenApiDocuments => {
    const latest = apiServices.documentsV2();
    if (latest !== others || objects.definitions !== definitions) {
      others = latest;
      definitions = objects.definitions;
      own = createOpenApi(definitions, others);
    }
    return own;
  };
  return {
    v2: (form) => current().v2(form),
    v3Paths: () => [...new Set([...current().v3Paths(), ...apiServices.documentsV3().keys()])].sort(),
    v3: (path) => current().v3(path) ?? apiServices.documentsV3().get(path),
  };
}
