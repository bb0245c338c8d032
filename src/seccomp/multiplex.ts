// socketcall(2) and ipc(2): on some architectures one number stands for many calls, told apart by the first argument.
// A rule for socket(2) must hold for socketcall(2) with a first argument of 1 as well, and so on. The other arguments are
// behind a pointer there; like libseccomp we leave conditions on them as they are, which can't be right, but is strict.

import { operators } from "./profile.ts";
import type { Condition, Rule, RuleSet } from "./rules.ts";

/** Multiplexed calls by name: the first argument of socketcall(2) or ipc(2) that stands for each. */
const socketCalls: Readonly<Record<string, number>> = {
  socket: 1,
  bind: 2,
  connect: 3,
  listen: 4,
  accept: 5,
  getsockname: 6,
  getpeername: 7,
  socketpair: 8,
  send: 9,
  recv: 10,
  sendto: 11,
  recvfrom: 12,
  shutdown: 13,
  setsockopt: 14,
  getsockopt: 15,
  sendmsg: 16,
  recvmsg: 17,
  accept4: 18,
  recvmmsg: 19,
  sendmmsg: 20,
};
const ipcCalls: Readonly<Record<string, number>> = {
  semop: 1,
  semget: 2,
  semctl: 3,
  semtimedop: 4,
  msgsnd: 11,
  msgrcv: 12,
  msgget: 13,
  msgctl: 14,
  shmat: 21,
  shmdt: 22,
  shmget: 23,
  shmctl: 24,
};

export type Multiplexer = "socketcall" | "ipc";

const calls = { socketcall: socketCalls, ipc: ipcCalls } as const;

/** The rules that hold for a multiplexer: its own, and those of the calls behind it. */
export function multiplexedRules({ rules, defaultAction }: RuleSet, through: Multiplexer): readonly Rule[] {
  const plain = new Set<string>();
  return rules.flatMap((rule) =>
    rule.action === defaultAction
      ? []
      : rule.names.flatMap((name) => {
          // As everywhere, the first rule without conditions ends the matter for a call.
          if (plain.has(name)) return [];
          if (rule.conditions.length === 0) plain.add(name);
          return name === through ? [rule] : behind(rule, name, through);
        }),
  );
}

function behind(rule: Rule, name: string, through: Multiplexer): readonly Rule[] {
  const call = Object.hasOwn(calls[through], name) ? calls[through][name] : undefined;
  if (call === undefined) return [];
  const all = 0xffffffff;
  const which: Condition = {
    index: 0,
    op: operators.SCMP_CMP_EQ,
    high: 0,
    low: call,
    maskHigh: all,
    maskLow: all,
  };
  return [
    {
      ...rule,
      names: [`${name} (through ${through})`],
      conditions: [which, ...rule.conditions.filter(({ index }) => index !== 0)],
    },
  ];
}
