import { Client, credentials } from "@grpc/grpc-js";
import type { Clock } from "#lib/runtime/clock.ts";
import { type Duration, minutes, seconds } from "#lib/runtime/duration.ts";
import { CriError } from "./errors.ts";
import type { MessageType, Received, Sent } from "./message.ts";
import * as cri from "./messages.ts";

/** The largest answer we take: containerd's own limit for what it sends. */
const maxMessageBytes = 16 * 1024 * 1024;

const runtimeService = "/runtime.v1.RuntimeService/";
const imageService = "/runtime.v1.ImageService/";

// biome-ignore lint/suspicious/noExplicitAny: any message type; the call recovers its exact fields from it
type AnyMessage = MessageType<any>;

interface Method<Request extends AnyMessage, Response extends AnyMessage> {
  readonly path: string;
  readonly request: Request;
  readonly response: Response;
  readonly timeout: Duration;
}

const method = <Request extends AnyMessage, Response extends AnyMessage>(
  path: string,
  request: Request,
  response: Response,
  timeout: Duration = seconds(20),
): Method<Request, Response> => ({ path, request, response, timeout });

// Starting and stopping wait for CNI and for processes to end, pulling for a network: these get the time a real kubelet gives them.
const methods = {
  version: method(`${runtimeService}Version`, cri.VersionRequest, cri.VersionResponse),
  status: method(`${runtimeService}Status`, cri.StatusRequest, cri.StatusResponse),
  runPodSandbox: method(`${runtimeService}RunPodSandbox`, cri.RunPodSandboxRequest, cri.RunPodSandboxResponse, minutes(4)),
  stopPodSandbox: method(`${runtimeService}StopPodSandbox`, cri.PodSandboxIdRequest, cri.Empty, minutes(2)),
  removePodSandbox: method(`${runtimeService}RemovePodSandbox`, cri.PodSandboxIdRequest, cri.Empty, minutes(2)),
  podSandboxStatus: method(`${runtimeService}PodSandboxStatus`, cri.PodSandboxStatusRequest, cri.PodSandboxStatusResponse),
  listPodSandbox: method(`${runtimeService}ListPodSandbox`, cri.ListPodSandboxRequest, cri.ListPodSandboxResponse),
  createContainer: method(`${runtimeService}CreateContainer`, cri.CreateContainerRequest, cri.CreateContainerResponse, minutes(2)),
  startContainer: method(`${runtimeService}StartContainer`, cri.ContainerIdRequest, cri.Empty, minutes(2)),
  /** `timeout` (seconds) is the grace; the call itself gets two minutes, or more by {@link CallOptions}. */
  stopContainer: method(`${runtimeService}StopContainer`, cri.StopContainerRequest, cri.Empty, minutes(2)),
  removeContainer: method(`${runtimeService}RemoveContainer`, cri.ContainerIdRequest, cri.Empty),
  listContainers: method(`${runtimeService}ListContainers`, cri.ListContainersRequest, cri.ListContainersResponse),
  containerStatus: method(`${runtimeService}ContainerStatus`, cri.ContainerStatusRequest, cri.ContainerStatusResponse),
  listContainerStats: method(`${runtimeService}ListContainerStats`, cri.ListContainerStatsRequest, cri.ListContainerStatsResponse),
  execSync: method(`${runtimeService}ExecSync`, cri.ExecSyncRequest, cri.ExecSyncResponse, minutes(2)),
  exec: method(`${runtimeService}Exec`, cri.ExecRequest, cri.StreamingResponse),
  attach: method(`${runtimeService}Attach`, cri.AttachRequest, cri.StreamingResponse),
  portForward: method(`${runtimeService}PortForward`, cri.PortForwardRequest, cri.StreamingResponse),
  reopenContainerLog: method(`${runtimeService}ReopenContainerLog`, cri.ContainerIdRequest, cri.Empty),
  listImages: method(`${imageService}ListImages`, cri.ListImagesRequest, cri.ListImagesResponse),
  imageStatus: method(`${imageService}ImageStatus`, cri.ImageStatusRequest, cri.ImageStatusResponse),
  pullImage: method(`${imageService}PullImage`, cri.PullImageRequest, cri.PullImageResponse, minutes(10)),
  removeImage: method(`${imageService}RemoveImage`, cri.RemoveImageRequest, cri.Empty),
} as const;

type Methods = typeof methods;

export interface CallOptions {
  /** Instead of the method's own limit. */
  readonly timeout?: Duration;
}

/** One function per CRI method, named as in the published service. Every failure is a {@link CriError}. */
export type CriClient = {
  readonly [Name in keyof Methods]: (
    request: Sent<Methods[Name]["request"]>,
    options?: CallOptions,
  ) => Promise<Received<Methods[Name]["response"]>>;
} & {
  close(): void;
};

/** A runtime that restarts on this machine is back within a second: the library's default would wait up to two minutes. */
export const reconnectQuickly = { "grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 1_000 };

/** A client of the container runtime at the Unix socket `socket`. Connects on first use and reconnects by itself. */
export function connectCri({ clock, socket }: { readonly clock: Clock; readonly socket: string }): CriClient {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": maxMessageBytes,
    ...reconnectQuickly,
    "grpc.enable_retries": 0,
  });
  const calls = Object.fromEntries(
    Object.entries(methods).map(([name, definition]) => [
      name,
      (request: unknown, options?: CallOptions) =>
        unary(client, name, definition as unknown as AnyMethod, request, clock.wall() + (options?.timeout ?? definition.timeout)),
    ]),
  );
  return { ...calls, close: () => client.close() } as CriClient;
}

interface AnyMethod {
  readonly path: string;
  readonly request: { encode(value: unknown): Uint8Array };
  readonly response: { decode(bytes: Uint8Array): unknown };
  readonly timeout: Duration;
}

function unary(client: Client, name: string, definition: AnyMethod, request: unknown, deadline: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      definition.path,
      (value: unknown) => Buffer.from(definition.request.encode(value)),
      (bytes: Buffer) => definition.response.decode(bytes),
      request,
      { deadline },
      (error, response) => {
        if (error) reject(new CriError(name, error.code, error.details));
        else resolve(response);
      },
    );
  });
}
