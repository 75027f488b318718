import { part, string, use } from "#lib/apiserver/openapi/build.ts";
import { time } from "#lib/apiserver/openapi/meta.ts";

/** A condition of an `apps/v1` kind. */
export const workloadCondition = (kindName: string) =>
  part(
    `io.k8s.api.apps.v1.${kindName}Condition`,
    "One aspect of the state.",
    {
      type: string("Name of the condition."),
      status: string("True, False or Unknown."),
      lastUpdateTime: use(time, "When it was last written."),
      lastTransitionTime: use(time, "When status last changed."),
      reason: string("One word that says why."),
      message: string("Text for people."),
    },
    ["type", "status"],
  );
