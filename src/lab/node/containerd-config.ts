/** What stands in a lab node's `config.toml`. All paths absolute. */
export interface ContainerdConfig {
  readonly paths: ContainerdPaths;
  readonly cniConfDir: string;
  readonly cniBinDir: string;
  readonly pauseImage: string;
  readonly snapshotter: "overlayfs" | "native";
  /** Set where CAP_SYS_RESOURCE is missing: containers then get no lower OOM score than containerd's own. */
  readonly restrictOomScoreAdj: boolean;
  /** It has a mount namespace of its own, with a `/run/netns` of its own. */
  readonly ownMachine?: boolean;
}

/** Everything a lab node's containerd writes, below one directory: nothing in /var/lib, /run or /opt is shared with the machine's own. */
export interface ContainerdPaths {
  readonly directory: string;
  readonly config: string;
  readonly log: string;
  readonly root: string;
  readonly state: string;
  readonly socket: string;
  readonly opt: string;
  readonly runc: string;
}

export function containerdPaths(directory: string): ContainerdPaths {
  return {
    directory,
    config: `${directory}/config.toml`,
    log: `${directory}/containerd.log`,
    root: `${directory}/root`,
    state: `${directory}/state`,
    socket: `${directory}/containerd.sock`,
    opt: `${directory}/opt`,
    runc: `${directory}/state/runc`,
  };
}

/**
 * Bytes per line of a container log before containerd splits it (flag `P`): the value of a stock node, so that readers meet what they know.
 */
const maxLogLineBytes = 16_384;

export function formatContainerdConfig(config: ContainerdConfig): string {
  const { paths } = config;
  return toml([
    [
      "",
      {
        version: 2,
        root: paths.root,
        state: paths.state,
        // what a single-machine lab never uses: each plugin left out starts nothing and warns about nothing
        disabled_plugins: [
          "io.containerd.snapshotter.v1.aufs",
          "io.containerd.snapshotter.v1.btrfs",
          "io.containerd.snapshotter.v1.devmapper",
          "io.containerd.snapshotter.v1.zfs",
          "io.containerd.internal.v1.restart",
          "io.containerd.internal.v1.tracing",
          "io.containerd.tracing.processor.v1.otlp",
        ],
      },
    ],
    ["grpc", { address: paths.socket }],
    ["ttrpc", { address: `${paths.socket}.ttrpc` }],
    [`plugins."io.containerd.internal.v1.opt"`, { path: paths.opt }],
    [
      `plugins."io.containerd.grpc.v1.cri"`,
      {
        sandbox_image: config.pauseImage,
        restrict_oom_score_adj: config.restrictOomScoreAdj,
        // pod namespaces are mounts below the directory, so that they can be found and removed from it alone
        netns_mounts_under_state_dir: config.ownMachine !== true,
        max_container_log_line_size: maxLogLineBytes,
        // loopback of the node's namespace, a free port: only the kubelet, in the same namespace, connects
        stream_server_address: "127.0.0.1",
        stream_server_port: "0",
        // a profile loaded into the kernel would outlive the lab
        disable_apparmor: true,
      },
    ],
    [`plugins."io.containerd.grpc.v1.cri".cni`, { bin_dir: config.cniBinDir, conf_dir: config.cniConfDir, max_conf_num: 1 }],
    [`plugins."io.containerd.grpc.v1.cri".containerd`, { snapshotter: config.snapshotter, default_runtime_name: "runc" }],
    [`plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc`, { runtime_type: "io.containerd.runc.v2" }],
    [`plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options`, { SystemdCgroup: false, Root: paths.runc }],
  ]);
}

type TomlValue = string | number | boolean | readonly string[];

function toml(sections: readonly (readonly [string, Readonly<Record<string, TomlValue>>])[]): string {
  // JSON's strings, numbers, booleans and lists of strings are TOML's too
  return sections
    .map(([name, values]) =>
      [
        ...(name === "" ? [] : [`[${name}]`]),
        ...Object.entries(values).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
        "",
      ].join("\n"),
    )
    .join("\n");
}
