import type { KubeClient } from "#lib/kube/client.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import { configMaps, secrets } from "#lib/kube/kinds.ts";
import type { ReferencedData } from "./environment.ts";

/** ConfigMaps and Secrets of one namespace, read from the API when asked; the caller keeps nothing. */
export function referencedData(client: KubeClient, namespace: string): ReferencedData {
  const base64 = (data: Readonly<Record<string, string>> = {}): [string, Buffer][] =>
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64")]);
  return {
    async configMap(name) {
      const found = await existing(client.get(configMaps, { namespace, name }));
      if (found === undefined) return undefined;
      const text = Object.entries(found.data ?? {}).map(([key, value]): [string, Buffer] => [key, Buffer.from(value)]);
      return new Map([...text, ...base64(found.binaryData)]);
    },
    async secret(name) {
      const found = await existing(client.get(secrets, { namespace, name }));
      return found === undefined ? undefined : new Map(base64(found.data));
    },
  };
}

async function existing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
