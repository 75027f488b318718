import type { OpenApiDocuments } from "../http/serve-path.ts";
import { createOpenApi } from "../openapi/open-api.ts";
import type { ResourceDefinition } from "../resource.ts";
import type { ApiServices } from "./api-services.ts";

/** The OpenAPI documents of this server's kinds and of the servers behind it. */
export function mergedDocuments(
  definitions: readonly ResourceDefinition[],
  apiServices: Pick<ApiServices, "documentsV2" | "documentsV3">,
): OpenApiDocuments {
  let others = apiServices.documentsV2();
  let own = createOpenApi(definitions, others);
  const current = (): OpenApiDocuments => {
    const latest = apiServices.documentsV2();
    if (latest !== others) {
      others = latest;
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
