import { KubeApiError } from "#lib/kube/index.ts";
import { createBackoff, type Duration, errorMessage, milliseconds, minutes, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { ranked } from "../controllers/rank.ts";
import type { ControllerReplica, ControllerReplicas } from "../controllers/replicas.ts";
import { ControllerEnded, ControllerTooSlow, CutOffController } from "./errors.ts";
import type { FirstSets } from "./events.ts";
import { createPatience } from "./patience.ts";
import { openSession, type Session } from "./session.ts";

/** Always one controller, of those that there are the best. */
export interface BestController {
  /** Who is followed, though it may be silent at the moment. */
  readonly followed: ControllerReplica | undefined;
  /** Why nobody is heard right now; undefined when somebody is. */
  readonly problem: string | undefined;
  /** It seems to have fallen behind: another is tried beside it. */
  suspect(why: string): void;
}

export interface BestControllerOptions {
  readonly runtime: Runtime;
  readonly replicas: ControllerReplicas;
  readonly node: string;
  /** Why a complete offer is not to be followed; undefined when it is. */
  readonly judge: (offer: FirstSets) => Error | undefined;
  /** From now on this one is followed, until `lost` or the next `adopt`. */
  readonly adopt: (offer: FirstSets, session: Session) => void;
  /** Nobody is followed. What is known stays. */
  readonly lost: () => void;
  readonly signal: AbortSignal;
}

/** A replica that has not said a word for this long is not waited for alone. */
const wordWithin = milliseconds(300);
/** By then first sets are complete, or that replica is no use: 100 000 pods take about a second. */
const completeWithin = seconds(30);
/** When it is tried again whether the replica that the node would choose is there again. */
const betterAfter = minutes(5);
/** The same where only the way through the Kubernetes API was left: by that one a controller that hangs is not told from one that has nothing to say. */
const directAfter = seconds(5);
/** How often it is looked at a session that has not told its heartbeat, or is known to be silent. */
const idleLook = seconds(1);
const urgent = { initial: milliseconds(50), limit: seconds(2) };
/** Where all are cut off, which is when the Kubernetes API is away, nothing is won by asking soon again. */
const patient = { initial: seconds(1), limit: seconds(60) };

/** Why another one is looked for. */
type Reason = "nobody" | "silent" | "cut off" | "suspect" | "better";

/**
 * Follows a replica, and looks for another as soon as it ends, is silent for longer than its deadline, is cut off from the Kubernetes API or falls behind. The
 * present one is left only for one that is complete and was judged well, so a false alarm costs a connection and nothing else.
 */
export function followBestController(options: BestControllerOptions): BestController {
  const { runtime, replicas, node, judge, adopt, lost, signal } = options;
  const { clock, logger } = runtime;
  const patience = createPatience(clock);
  let current: Session | undefined;
  /** Of each replica, why it is not followed, since the last that was. */
  const problems = new Map<string, string>();
  let failed: string | undefined;
  let suspected: string | undefined;
  let wantsBetter = false;
  /** How long a controller that many come to at once asked to be left alone. */
  let sentAway: Duration = 0;
  let wake = (): void => {};

  const isSilent = (session: Session): boolean => {
    const { silenceLimit, lastHeard } = session;
    return silenceLimit !== undefined && clock.monotonic() - lastHeard > patience.over(silenceLimit);
  };
  const reason = (): Reason | undefined => {
    if (current === undefined) return "nobody";
    if (isSilent(current)) return "silent";
    if (current.cutOffSince !== undefined) return "cut off";
    if (suspected !== undefined) return "suspect";
    return wantsBetter ? "better" : undefined;
  };
  const candidates = (why: Reason): readonly ControllerReplica[] => {
    const all = ranked(replicas.known(), node);
    const own = current?.replica.name;
    const others = all.filter(({ name }) => name !== own);
    switch (why) {
      // The one that just failed comes last.
      case "nobody":
        return [...all.filter(({ name }) => name !== failed), ...all.filter(({ name }) => name === failed)];
      // Its connection may be what is broken.
      case "silent":
        return [...others, ...all.filter(({ name }) => name === own)];
      case "cut off":
      case "suspect":
        return others;
      case "better":
        return all.slice(
          0,
          all.findIndex(({ name }) => name === own),
        );
    }
  };

  const follow = (session: Session, offer: FirstSets): void => {
    const former = current;
    current = session;
    failed = undefined;
    suspected = undefined;
    problems.clear();
    logger.info("following the controller", {
      replica: session.replica.name,
      policies: offer.policies.length,
      addressGroups: offer.addressGroups.length,
      appliedToGroups: offer.appliedToGroups.length,
    });
    adopt(offer, session);
    former?.close();
    keepWatch(session);
    wantsBetter = false;
    const lookForBetter = (): void => {
      const pause = session.replica.standing === "indirect" ? directAfter : betterAfter;
      const look = (): void => {
        if (current !== session) return;
        wantsBetter = ranked(replicas.known(), node)[0]?.name !== session.replica.name;
        if (wantsBetter) wake();
        lookForBetter();
      };
      clock.after(milliseconds(pause * (0.8 + runtime.random.below(401) / 1_000)), look, { background: true });
    };
    lookForBetter();
    void session.ended.then((why) => {
      if (current !== session) return;
      current = undefined;
      failed = why instanceof ControllerEnded ? undefined : session.replica.name;
      complain(session.replica.name, why);
      if (!signal.aborted) lost();
      wake();
    });
  };
  /** Sounds the alarm when nothing is heard for too long. What has arrived meanwhile is read first: this process may have been busy itself. */
  const keepWatch = (session: Session): void => {
    let alarmed = false;
    const look = (): void => {
      if (current !== session || signal.aborted) return;
      if (isSilent(session)) {
        if (!alarmed) complain(session.replica.name, `nothing heard for ${Math.round(clock.monotonic() - session.lastHeard)} ms`);
        alarmed = true;
        wake();
      }
      const { silenceLimit, lastHeard } = session;
      const left = silenceLimit === undefined || alarmed ? idleLook : lastHeard + patience.over(silenceLimit) - clock.monotonic();
      clock.after(milliseconds(Math.max(left, 0) + 1), () => clock.soon(look), { background: true });
    };
    session.onHeard(() => {
      if (alarmed) patience.falseAlarm();
      if (alarmed || session.cutOffSince !== undefined) wake();
      alarmed = false;
    });
    look();
  };
  const complain = (replica: string, why: unknown): void => {
    const problem = typeof why === "string" ? why : errorMessage(why);
    if (signal.aborted || problems.get(replica) === problem) return;
    problems.set(replica, problem);
    logger.warn("not following the controller; what is known stays enforced", { replica, error: problem });
  };

  const attempt = async (
    replica: ControllerReplica,
    why: Reason,
    round: AbortSignal,
    opened: (session: Session) => void,
  ): Promise<void> => {
    const session = openSession({ runtime, replica, node, signal });
    opened(session);
    const giveUp = (): void => {
      if (current !== session) session.close();
    };
    round.addEventListener("abort", giveUp, { once: true });
    try {
      const offer = await session.complete;
      const { cutOffSince } = session;
      const refusal = why === "cut off" && cutOffSince !== undefined ? new CutOffController(cutOffSince) : judge(offer);
      if (refusal !== undefined) throw refusal;
      if (round.aborted) return;
      follow(session, offer);
    } catch (error) {
      sentAway = Math.max(sentAway, retryAfter(error) ?? 0);
      if (!round.aborted && (current === undefined || why === "silent")) complain(replica.name, error);
    } finally {
      giveUp();
    }
  };
  /** Tries the candidates, each beside those before it that are slow to answer. Ends when one is followed, all have failed, or there is no reason any more. */
  const tryAll = async (why: Reason): Promise<void> => {
    const round = new AbortController();
    const pause = (duration: Duration): Promise<void> => sleep(clock, duration, AbortSignal.any([round.signal, signal])).catch(() => {});
    const before = current;
    wake = () => {
      if (current !== before || reason() !== why) round.abort();
    };
    const attempts: Promise<void>[] = [];
    const decided = new Promise<void>((resolve) => round.signal.addEventListener("abort", () => resolve(), { once: true }));
    for (const replica of candidates(why)) {
      const state: { session: Session | undefined } = { session: undefined };
      const one = attempt(replica, why, round.signal, (session) => {
        state.session = session;
      }).then(() => wake());
      attempts.push(one);
      const failedOrDecided = Promise.race([one, decided]).then(() => true);
      while (!(await Promise.race([failedOrDecided, pause(wordWithin).then(() => false)])))
        if (clock.monotonic() - (state.session?.lastHeard ?? 0) >= wordWithin) break;
      if (round.signal.aborted || signal.aborted) break;
    }
    await Promise.race([
      Promise.all(attempts),
      decided,
      pause(completeWithin).then(() => {
        if (!round.signal.aborted && current === before)
          for (const { name } of candidates(why)) complain(name, new ControllerTooSlow(completeWithin));
      }),
    ]);
    round.abort();
  };
  const run = async (): Promise<void> => {
    await replicas.whenKnown(signal);
    const backoffs = {
      urgent: createBackoff({ random: runtime.random, ...urgent }),
      patient: createBackoff({ random: runtime.random, ...patient }),
    };
    while (!signal.aborted) {
      const why = reason();
      if (why === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const before = current;
      sentAway = 0;
      await tryAll(why);
      // Once is enough where there is one that works.
      if (why === "better") wantsBetter = false;
      if (why === "suspect") suspected = undefined;
      if (current !== before) for (const backoff of Object.values(backoffs)) backoff.reset();
      if (current !== before || reason() !== why) continue;
      const soon = new AbortController();
      wake = () => {
        if (reason() !== why) soon.abort();
      };
      const backoff = (why === "cut off" ? backoffs.patient : backoffs.urgent).next();
      // All were sent away at once; they are not to come back at once.
      const pause = Math.max(backoff, milliseconds(sentAway * (1 + runtime.random.below(500) / 1_000)));
      await sleep(clock, pause, AbortSignal.any([soon.signal, signal])).catch(() => {});
    }
  };
  const unsubscribe = replicas.onChange(() => {
    if (current?.replica.standing !== "indirect") return;
    wantsBetter = replicas.known().some(({ standing }) => standing === "ready");
    wake();
  });
  signal.addEventListener("abort", unsubscribe, { once: true });
  signal.addEventListener("abort", () => wake(), { once: true });
  void run();

  return {
    get followed() {
      return current?.replica;
    },
    get problem() {
      if (current !== undefined && !isSilent(current)) return undefined;
      return problems.size === 0
        ? "not connected yet"
        : [...problems].map(([replica, problem]) => `controller ${replica}: ${problem}`).join("; ");
    },
    suspect(why) {
      if (current === undefined || suspected !== undefined) return;
      suspected = why;
      logger.warn("looking for another controller", { replica: current.replica.name, why });
      wake();
    },
  };
}

/** A server that says anything longer is a wrong one. */
const longestSentAway = seconds(10);

/** The wait that a server asks for; undefined where it does not. */
function retryAfter(error: unknown): Duration | undefined {
  const asked = error instanceof KubeApiError && error.httpStatus === 429 ? error.status.details?.retryAfterSeconds : undefined;
  return typeof asked === "number" && asked > 0 ? Math.min(seconds(asked), longestSentAway) : undefined;
}
