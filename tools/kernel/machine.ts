import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { youngestSeconds } from "../../src/lab/node/machine-age.ts";
import { encodeCpio } from "./cpio.ts";
import { door, doorAddress, doorPort } from "./door.ts";
import { moduleFiles, type StockKernel } from "./packages.ts";

/** What runs in the machine, and with how much of this one. */
export interface MachineOptions {
  readonly emulator: string;
  readonly kernel: StockKernel;
  /** Where the command runs. */
  readonly directory: string;
  /** Words for a shell, in the root of this machine, which it sees read-only with a scratch layer above. */
  readonly command: string;
  readonly megabytes: number;
  readonly processors: number;
  /** Whether it is emulated ({@link kvmRunsStockKernels}). */
  readonly isEmulated: boolean;
  /** What the clock of an emulated machine goes by: with `instructions`, which has one processor, other work beside makes it late for nothing. */
  readonly clock: "wall" | "instructions";
  /** Hears each line that the machine prints, and how many seconds of processor time it has taken of this one so far. */
  readonly onLine: (line: string, processorSeconds: number) => void;
  /** TCP port of this machine's loopback interface that leads to the machine's door (door.ts). Absent: there is none, and no network. */
  readonly entrance?: number;
  /** Switches the machine off. */
  readonly signal: AbortSignal;
}

/**
 * Whether this machine's KVM runs any kernel at its own speed: by what the processor has for it. A `/dev/kvm` without that may be one for kernels made for it (pagetable-based
 * virtual machines), where a stock one takes minutes over its first function.
 */
export function kvmRunsStockKernels(): boolean {
  return existsSync("/dev/kvm") && /^flags\s*:.*\b(?:vmx|svm)\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
}

/** Modules without which there is no root. */
const rootModules = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];
/** And none to it. */
const doorModules = ["virtio_net"];
/** Of no more than it emulates cheaply: with AVX the same programs take a tenth longer. */
const emulated = {
  wall: ["-accel", "tcg,thread=multi", "-cpu", "Nehalem"],
  /** A nanosecond for an instruction; by the clock on the wall only while there is nothing to do. That is for one processor at a time, and one costs less than two in turn. */
  instructions: ["-accel", "tcg,thread=single", "-icount", "shift=0", "-cpu", "Nehalem"],
} as const;
/** An emulated machine may get no processor while its kernel asks whether its timer runs, which it need not ask; and one that panics ends. */
const kernelParameters = "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check";
/** The door is no longer there: what runs beside the machine can do nothing more. */
const doorFell = 70;
const doneLine = /^kernel-machine: ended with (\d+)/;

/**
 * Starts the kernel on an emulated machine whose root is this machine's, and runs a command there. Resolves with its exit code; undefined when
 * the machine stopped without telling it.
 */
export async function runInMachine(options: MachineOptions): Promise<number | undefined> {
  const { emulator, kernel, megabytes, processors, isEmulated, clock, entrance, onLine, signal } = options;
  const directory = await mkdtemp(join(tmpdir(), "kernel-machine-"));
  try {
    const ramDisk = join(directory, "initrd");
    await writeFile(ramDisk, await firstRoot(options));
    const share = (path: string, tag: string): string =>
      `local,path=${path},mount_tag=${tag},security_model=none,readonly=on,multidevs=remap`;
    // The kernel ends the machine when who started it dies, whatever the way.
    const child = spawn(
      "setpriv",
      [
        ...["--pdeathsig", "KILL", emulator],
        ...(isEmulated ? emulated[clock] : ["-accel", "kvm", "-cpu", "max"]),
        ...["-smp", `${isEmulated && clock === "instructions" ? 1 : processors}`, "-m", `${megabytes}`],
        ...["-kernel", kernel.image, "-initrd", ramDisk, "-append", kernelParameters],
        ...["-virtfs", share("/", "root"), "-virtfs", share(join(kernel.root, "lib", "modules"), "modules")],
        ...["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-monitor", "none"],
        // Restricted: nothing of the guest's reaches any network.
        ...(entrance === undefined
          ? ["-net", "none"]
          : [
              ...["-netdev", `user,id=door,restrict=on,hostfwd=tcp:127.0.0.1:${entrance}-${doorAddress}:${doorPort}`],
              ...["-device", "virtio-net-pci,netdev=door,romfile="],
            ]),
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const switchOff = (): void => void child.kill("SIGKILL");
    if (signal.aborted) switchOff();
    signal.addEventListener("abort", switchOff, { once: true });
    let code: number | undefined;
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      const done = doneLine.exec(line.trim());
      if (done === null) onLine(line, processorSecondsOf(child.pid));
      else code = Number(done[1]);
    });
    await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
    return signal.aborted ? undefined : code;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Ticks of a second in proc_pid_stat(5): the same on all machines that QEMU is started on here. */
const ticksPerSecond = 100;

/** Of a process that may have ended: then 0. */
function processorSecondsOf(pid: number | undefined): number {
  try {
    // The name is in brackets and may hold anything; user and system time are the 14th and 15th field, counted with it.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    return 0;
  }
}

/** Words for a shell that end all with a code. */
const end = (code: string): string => `echo "kernel-machine: ended with ${code}"; busybox poweroff -f`;

async function firstRoot({ kernel, directory, command, entrance }: MachineOptions): Promise<Uint8Array> {
  const modules = await moduleFiles(kernel, [...rootModules, ...(entrance === undefined ? [] : doorModules)]);
  const script = `#!/busybox sh
/busybox mkdir -p /proc /sys /dev /host /modules /top /new
/busybox mount -t proc proc /proc
/busybox mount -t sysfs sysfs /sys
/busybox mount -t devtmpfs devtmpfs /dev
${modules.map((file) => `/busybox insmod /${basename(file)}`).join("\n")}
/busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 root /host
/busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 modules /modules
/busybox mount -t tmpfs tmpfs /top
/busybox mkdir /top/upper /top/work
/busybox mount -t overlay -o lowerdir=/host,upperdir=/top/upper,workdir=/top/work overlay /new
/busybox mkdir -p /new/lib/modules
/busybox mount --move /modules /new/lib/modules
for each in proc sys dev; do /busybox mount --move /$each /new/$each; done
for each in run var/lib var/log; do /busybox mount -t tmpfs tmpfs /new/$each; done
/busybox mkdir /new/dev/pts /new/dev/shm /new/run/netns
# What udev makes elsewhere; nft reads its rules from there.
/busybox ln -s /proc/self/fd /new/dev/fd
for each in 0=stdin 1=stdout 2=stderr; do /busybox ln -s /proc/self/fd/\${each%=*} /new/dev/\${each#*=}; done
/busybox mount -t devpts devpts /new/dev/pts
/busybox cp /inside /door /new/run/
/busybox mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
exec /busybox switch_root /new /bin/sh /run/inside
`;
  const inside = `export HOME=/tmp
ip link set lo up
${entrance === undefined ? "" : `ip address add ${doorAddress}/24 dev eth0; ip link set eth0 up; { perl /run/door; ${end(String(doorFell))}; } &`}
cd "${directory}" || exit
read -r up rest </proc/uptime; up=\${up%%.*}; [ $up -ge ${youngestSeconds} ] || sleep $((${youngestSeconds} - up))
( ${command} )
${end("$?")}
`;
  const entries = await Promise.all(modules.map(async (file) => ({ path: basename(file), content: await readFile(file) })));
  return encodeCpio([
    { path: "busybox", content: await readFile("/bin/busybox"), executable: true },
    { path: "init", content: Buffer.from(script), executable: true },
    { path: "inside", content: Buffer.from(inside) },
    { path: "door", content: Buffer.from(door) },
    ...entries,
  ]);
}
