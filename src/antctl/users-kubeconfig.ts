import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { NoKubeconfig } from "./errors.ts";

/** The file that says which cluster a user means who names none: `KUBECONFIG`, else `~/.kube/config`. Throws {@link NoKubeconfig} when there is neither. */
export function usersKubeconfig(environment: NodeJS.ProcessEnv, home = homedir()): string {
  if (environment.KUBECONFIG) return environment.KUBECONFIG;
  const file = join(home, ".kube", "config");
  if (!existsSync(file)) throw new NoKubeconfig(file);
  return file;
}
