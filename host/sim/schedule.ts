/** Owns the faults that come at times: when they begin, whom they befall, and when they end. Knows hosts by their names. */

import { rangeError } from "../backend/check.js";
import type { FaultMoment, FaultName } from "./fault-table.js";
import type { Faults } from "./faults.js";
import type { SimHost } from "./public-host.js";
import type { Timeline } from "./timeline.js";

const NS_PER_MS = 1e6;

/** What a schedule needs of its world. */
export interface Scheduled {
  readonly hosts: readonly SimHost[];
  partition(from: SimHost, to?: SimHost, oneWay?: boolean): () => void;
}

type Begin = (
  host: SimHost,
  moment: FaultMoment,
) => { readonly detail: string; readonly end: (() => void) | undefined };

/** Plans what a table says of `partition`, `pause`, `crash` and `clock-jump`. */
export function planSchedules(faults: Faults, timeline: Timeline, world: Scheduled): void {
  const begins: Partial<Record<FaultName, Begin>> = {
    "clock-jump": (host, { forMs = 0 }) => {
      host.jumpClock(forMs);
      return { detail: `by ${forMs} ms`, end: undefined };
    },
    partition: (host, { to, oneWay = false, forMs }) => {
      const other = to === undefined ? undefined : named(world, "partition", to);
      const way = `${oneWay ? "to" : "from"} ${to ?? "every host"}`;
      return { detail: `${way}${spanOf(forMs)}`, end: world.partition(host, other, oneWay) };
    },
    pause: (host, { forMs }) => {
      host.pause();
      return { detail: `stopped${spanOf(forMs)}`, end: () => host.resume() };
    },
    crash: (host, { forMs }) => {
      host.crash();
      return { detail: `gone${spanOf(forMs)}`, end: () => host.restart() };
    },
  };

  for (const [name, begin] of Object.entries(begins) as [FaultName, Begin][]) {
    const setting = faults.setting(name);
    if (setting === undefined) continue;
    const occur = (host: SimHost, moment: FaultMoment): void => {
      if (!faults.occurs(name)) return;
      const { detail, end } = begin(host, moment);
      faults.list(name, host.address, detail);
      const { forMs } = moment;
      if (end !== undefined && forMs !== undefined) timeline.plan(timeline.nowNs + forMs * NS_PER_MS, end);
    };
    for (const moment of setting.at ?? []) {
      timeline.plan(moment.atMs * NS_PER_MS, () => {
        const host = moment.host === undefined ? world.hosts[0] : named(world, name, moment.host);
        if (host !== undefined) occur(host, moment);
      });
    }
    const { everyMs, forMs = 0 } = setting;
    if (everyMs === undefined) continue;
    const random = faults.random(name);
    const planNext = (): void => {
      const inNs = Math.round(everyMs * NS_PER_MS * (0.5 + random.next() / 0x1_0000_0000));
      timeline.plan(timeline.nowNs + inNs, () => {
        const host = world.hosts[random.below(world.hosts.length)];
        const oneWay = name === "partition" && random.chance(0.5);
        if (host !== undefined) occur(host, { atMs: 0, forMs, oneWay });
        planNext();
      });
    };
    planNext();
  }
}

function named(world: Scheduled, name: FaultName, address: string): SimHost {
  const host = world.hosts.find(({ addresses }) => addresses.includes(address));
  if (host === undefined)
    throw rangeError(`faults["${name}"].at.host`, "the address of a host", JSON.stringify(address));
  return host;
}

function spanOf(forMs: number | undefined): string {
  return forMs === undefined ? "" : ` for ${forMs} ms`;
}
