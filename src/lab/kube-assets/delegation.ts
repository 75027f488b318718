import type { LabPaths } from "../paths.ts";

/** What controller manager and scheduler have in common: how they reach the API, and that they are alone and heard on loopback only. */
export function delegationArguments({ paths, user }: { readonly paths: LabPaths; readonly user: string }): readonly string[] {
  const kubeconfig = paths.kubeconfig(user);
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    "--bind-address=127.0.0.1",
    "--leader-elect=false",
  ];
}
