import { boolean, int32, int64, list, opaque, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { quantity } from "#lib/apiserver/openapi/meta.ts";
import type { JsonSchema } from "#lib/apiserver/openapi/schema.ts";

const core = "io.k8s.api.core.v1";

/** Mode bits of files, as Kubernetes sets them: 0644. */
const fileMode = 0o644;

const keyToPath = part(
  `${core}.KeyToPath`,
  "Puts one key into a file.",
  { key: string("The key."), path: string("Path of the file within the volume."), mode: int32("Mode bits of the file.") },
  ["key", "path"],
);

const objectFieldSelector = part(
  `${core}.ObjectFieldSelector`,
  "A field of the pod.",
  { apiVersion: string("Version of the pod's schema.", { default: "v1" }), fieldPath: string("Path of the field, such as metadata.name.") },
  ["fieldPath"],
);

const downwardFile = part(
  `${core}.DownwardAPIVolumeFile`,
  "A file that holds a field of the pod.",
  {
    path: string("Path of the file within the volume."),
    fieldRef: use(objectFieldSelector, "The field."),
    resourceFieldRef: opaque("A limit or request of a container."),
    mode: int32("Mode bits of the file."),
  },
  ["path"],
);

const configMapProjection = part(`${core}.ConfigMapProjection`, "Keys of a ConfigMap as files.", {
  name: string("Name of the ConfigMap."),
  items: list(keyToPath, "Which keys go where; absent: every key."),
  optional: boolean("The ConfigMap may be missing."),
});

const secretProjection = part(`${core}.SecretProjection`, "Keys of a Secret as files.", {
  name: string("Name of the Secret."),
  items: list(keyToPath, "Which keys go where; absent: every key."),
  optional: boolean("The Secret may be missing."),
});

const serviceAccountTokenProjection = part(
  `${core}.ServiceAccountTokenProjection`,
  "A token of the pod's service account.",
  {
    path: string("Path of the file within the volume."),
    audience: string("Who shall accept the token."),
    expirationSeconds: int64("How long a token is valid; it is renewed in time.", { default: 3600 }),
  },
  ["path"],
);

const volumeProjection = part(`${core}.VolumeProjection`, "One source of a projected volume.", {
  configMap: configMapProjection,
  secret: secretProjection,
  serviceAccountToken: serviceAccountTokenProjection,
  downwardAPI: part(`${core}.DownwardAPIProjection`, "Fields of the pod as files.", { items: list(downwardFile, "The files.") }),
  clusterTrustBundle: opaque("Not there in this lab."),
});

const emptyDir = part(`${core}.EmptyDirVolumeSource`, "An empty folder that lives as long as the pod.", {
  medium: string("Memory for a file system in memory."),
  sizeLimit: use(quantity, "Most it may hold."),
});

const hostPath = part(
  `${core}.HostPathVolumeSource`,
  "A file or folder of the node.",
  {
    path: string("Path on the node."),
    type: string("What must be there: DirectoryOrCreate, Directory, FileOrCreate, File, …", { default: "" }),
  },
  ["path"],
);

/** Volume sources whose fields are known. */
const served: Record<string, JsonSchema> = {
  emptyDir,
  hostPath,
  configMap: part(`${core}.ConfigMapVolumeSource`, "A ConfigMap as files.", {
    ...configMapProjection.properties,
    defaultMode: int32("Mode bits of files.", { default: fileMode }),
  }),
  secret: part(`${core}.SecretVolumeSource`, "A Secret as files.", {
    secretName: string("Name of the Secret."),
    items: list(keyToPath, "Which keys go where; absent: every key."),
    defaultMode: int32("Mode bits of files.", { default: fileMode }),
    optional: boolean("The Secret may be missing."),
  }),
  downwardAPI: part(`${core}.DownwardAPIVolumeSource`, "Fields of the pod as files.", {
    items: list(downwardFile, "The files."),
    defaultMode: int32("Mode bits of files.", { default: fileMode }),
  }),
  persistentVolumeClaim: part(
    `${core}.PersistentVolumeClaimVolumeSource`,
    "A claim of the pod's namespace. The pod waits until somebody binds it, which nobody in this lab does.",
    { claimName: string("Name of the claim."), readOnly: boolean("Refuse writes.") },
    ["claimName"],
  ),
  projected: part(`${core}.ProjectedVolumeSource`, "Several sources in one folder.", {
    sources: list(volumeProjection, "The sources."),
    defaultMode: int32("Mode bits of files.", { default: fileMode }),
  }),
};

/** Sources that Kubernetes knows and this lab's kubelet refuses by an event. */
const known = ["nfs", "csi", "ephemeral", "image", "iscsi", "rbd", "cephfs", "fc", "glusterfs", "gitRepo"];

/** Names of all volume sources. */
export const volumeSources: readonly string[] = [...Object.keys(served), ...known];

export const volume = part(
  `${core}.Volume`,
  "A folder that containers of the pod can mount.",
  {
    name: string("Name within the pod."),
    ...served,
    ...Object.fromEntries(known.map((source) => [source, opaque("Not there in this lab.")])),
  },
  ["name"],
);

export const volumeMount = part(
  `${core}.VolumeMount`,
  "Where a container sees a volume.",
  {
    name: string("Name of the volume."),
    mountPath: string("Path in the container."),
    readOnly: boolean("Refuse writes."),
    recursiveReadOnly: string("Disabled, IfPossible or Enabled."),
    subPath: string("Path within the volume to mount."),
    subPathExpr: string("As subPath, with variables of the environment."),
    mountPropagation: string("None, HostToContainer or Bidirectional."),
  },
  ["name", "mountPath"],
);

export const fieldReference = objectFieldSelector;
