// What a profile does with a system call, and which of its rules decides. Works from the rules, not from the program:
// the tests hold the two against each other.
import { errnoName, UserError } from "../errors.ts";
import { foreignArchitectures, foreignNumber, isSyscallAnywhere } from "./foreign.ts";
import { introducedIn, syscallNumber } from "./names.ts";
import { type Decision, decide } from "./order.ts";
import { mergeRules } from "./outcomes.ts";
import {
  type Architecture,
  actions,
  architectures,
  families,
  type LinuxSeccomp,
  type Machine,
  operators,
  type Uint64,
} from "./profile.ts";
import { type Condition, type Rule, type RuleSet, readRules } from "./rules.ts";
import { callTables } from "./syscalls.ts";

export interface Question {
  /** The architecture of the machine */
  readonly arch: Machine;
  readonly syscall: string;
  /** The call's arguments; without them the answer lists what depends on them */
  readonly args?: readonly Uint64[];
}

/** Why a call ends the way it does. */
export type Reason = "rule" | "default" | "newer than the profile";

export interface Verdict {
  /** In words: "allow", "errno 1 (EPERM)" */
  readonly action: string;
  /** The filter's return value */
  readonly value: number;
  readonly reason: Reason;
  /** The entry of `syscalls` that decides */
  readonly rule?: number;
  /** The conditions under which it does, in words; empty when there are none */
  readonly conditions: string;
}

export interface Explanation {
  readonly architecture: string;
  /** The call's number there, none if it doesn't exist */
  readonly number: number | undefined;
  /** In the order they are asked; the last one has no conditions. With arguments given only the one that decides. */
  readonly verdicts: readonly Verdict[];
}

/**
 * Explains one system call on every architecture a profile covers.
 * @throws UserError for a name no architecture knows, and for what readRules refuses
 */
export function explainSyscall(
  profile: LinuxSeccomp,
  { arch, syscall, args }: Question,
): { readonly introduced: string | undefined; readonly explanations: readonly Explanation[] } {
  if (!isSyscallAnywhere(syscall)) throw new UserError(`seccomp: ${JSON.stringify(syscall)} is no system call`);
  const rules = readRules(profile);
  const covered = new Set([families[arch][0], ...(profile.architectures ?? [])]);
  const explanations = [...covered].map((name) => {
    const known: Readonly<Record<string, Architecture>> = architectures;
    const architecture = known[name] ?? foreignArchitectures[name];
    if (architecture === undefined) throw new UserError(`seccomp: unknown architecture ${JSON.stringify(name)}`);
    const own = known[name] !== undefined;
    const number = own ? syscallNumber(architecture, syscall) : foreignNumber(architecture, syscall);
    const verdicts = verdictsFor(rules, architecture, syscall, number, own);
    const given = args?.map((value) => BigInt(value));
    return {
      architecture: name,
      number,
      verdicts:
        given === undefined ? verdicts : verdicts.filter((one) => decides(one, given, architecture.bits)).slice(0, 1),
    };
  });
  return { introduced: introducedIn(syscall), explanations };
}

interface Candidate extends Verdict {
  readonly from: Rule | undefined;
}

function verdictsFor(
  rules: RuleSet,
  architecture: Architecture,
  syscall: string,
  number: number | undefined,
  own: boolean,
): readonly Candidate[] {
  const named = rules.rules.filter(({ names }) => names.includes(syscall));
  const relevant = named.filter(({ action }) => action !== rules.defaultAction);
  if (number !== undefined && own && named.length === 0 && isNewer(rules, architecture, number))
    return [verdict(actions.SCMP_ACT_ERRNO + 38, "newer than the profile", undefined)];
  const byDefault = verdict(rules.defaultAction, "default", undefined);
  if (relevant.length === 0) return [byDefault];
  const decision: Decision = decide(relevant, architecture.bits);
  if (typeof decision !== "number") return [...decision.map((rule) => verdict(rule.action, "rule", rule)), byDefault];
  const plain = relevant.find(
    ({ action, conditions }) => action === decision && isPlain(conditions, architecture.bits),
  );
  return [{ ...verdict(decision, "rule", plain), conditions: "" }];
}

/** Whether the number is above all that the profile names, and the default action asks for the special answer. */
function isNewer(rules: RuleSet, { table, base }: Architecture, number: number): boolean {
  const kind = rules.defaultAction & 0x7fff0000;
  if ([actions.SCMP_ACT_ALLOW, actions.SCMP_ACT_LOG, actions.SCMP_ACT_TRACE].some((one) => one === kind)) return false;
  const { byPlace } = mergeRules(rules);
  let newest = -1;
  for (const { base: offset, places } of callTables(table))
    for (let at = 0; at < places.length; at++) if (byPlace[places[at] as number] !== 0) newest = base + offset + at;
  return newest > base && number > newest;
}

function isPlain(conditions: readonly Condition[], bits: 32 | 64): boolean {
  return conditions.every(({ maskLow }) => bits === 32 && maskLow === 0);
}

function verdict(value: number, reason: Reason, from: Rule | undefined): Candidate {
  return {
    action: actionText(value),
    value,
    reason,
    ...(from === undefined ? {} : { rule: from.source }),
    conditions: from === undefined ? "" : from.conditions.map(conditionText).join(" and "),
    from,
  };
}

function decides({ from, conditions }: Candidate, args: readonly bigint[], bits: 32 | 64): boolean {
  return from === undefined || conditions === "" || from.conditions.every((one) => holds(one, args, bits));
}

/** Whether a condition holds, as an architecture with arguments of that many bits sees it. */
export function holds(condition: Condition, args: readonly bigint[], bits: 32 | 64): boolean {
  const { index, op } = condition;
  const width = bits === 64 ? 0xffffffffffffffffn : 0xffffffffn;
  const join = (high: number, low: number) => ((BigInt(high) << 32n) | BigInt(low)) & width;
  const arg = (args[index] ?? 0n) & width;
  const value = join(condition.high, condition.low);
  switch (op) {
    case operators.SCMP_CMP_NE:
      return arg !== value;
    case operators.SCMP_CMP_LT:
      return arg < value;
    case operators.SCMP_CMP_LE:
      return arg <= value;
    case operators.SCMP_CMP_EQ:
      return arg === value;
    case operators.SCMP_CMP_GE:
      return arg >= value;
    case operators.SCMP_CMP_GT:
      return arg > value;
    default:
      return (arg & join(condition.maskHigh, condition.maskLow)) === value;
  }
}

const signs = ["", "!=", "<", "<=", "==", ">=", ">"];

function conditionText({ index, op, high, low, maskHigh, maskLow }: Condition): string {
  const hex = (upper: number, lower: number) => `0x${((BigInt(upper) << 32n) | BigInt(lower)).toString(16)}`;
  const sign = signs[op];
  if (sign === undefined) return `arg${index} & ${hex(maskHigh, maskLow)} == ${hex(high, low)}`;
  return `arg${index} ${sign} ${hex(high, low)}`;
}

/** A filter's return value in words. */
export function actionText(value: number): string {
  const data = value & 0xffff;
  switch ((value & 0xffff0000) >>> 0) {
    case actions.SCMP_ACT_KILL_PROCESS:
      return "kill process";
    case actions.SCMP_ACT_KILL_THREAD:
      return "kill thread";
    case actions.SCMP_ACT_TRAP:
      return "trap";
    case actions.SCMP_ACT_ERRNO:
      return errnoWithName(data);
    case actions.SCMP_ACT_NOTIFY:
      return "notify";
    case actions.SCMP_ACT_TRACE:
      return `trace ${data}`;
    case actions.SCMP_ACT_LOG:
      return "log";
    case actions.SCMP_ACT_ALLOW:
      return "allow";
    default:
      return `unknown 0x${value.toString(16)}`;
  }
}

function errnoWithName(errno: number): string {
  const name = errnoName(errno);
  return name === undefined ? `errno ${errno}` : `errno ${errno} (${name})`;
}
