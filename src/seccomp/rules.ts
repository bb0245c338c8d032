// Reads and checks a profile: names become numbers, and what the kernel would refuse or the spec forbids is an error.
import { UserError } from "../errors.ts";
import {
  actions,
  filterFlags,
  type LinuxSeccomp,
  type LinuxSeccompArg,
  type LinuxSyscall,
  operators,
  type SeccompFlag,
  type Uint64,
} from "./profile.ts";

/** One comparison of a 64-bit argument, in 32-bit halves. The value has no bits outside of the mask. */
export interface Condition {
  readonly index: number;
  readonly op: number;
  readonly high: number;
  readonly low: number;
  readonly maskHigh: number;
  readonly maskLow: number;
}

/** What to return for some calls when all conditions hold. */
export interface Rule {
  /** Which entry of `syscalls` it comes from */
  readonly source: number;
  readonly names: readonly string[];
  /** The filter's return value */
  readonly action: number;
  readonly conditions: readonly Condition[];
}

export interface RuleSet {
  readonly defaultAction: number;
  /** In the profile's order, those that repeat the default action among them */
  readonly rules: readonly Rule[];
  readonly notify: boolean;
  readonly flags: readonly SeccompFlag[];
}

const EPERM = 1;
const maxErrno = 4095;
const pointer = "/linux/seccomp";

/** SCMP_CMP_MASKED_EQ, the one operator with a mask. */
export const maskedEqual: number = operators.SCMP_CMP_MASKED_EQ;

/**
 * Checks a profile and turns its words into numbers.
 * @throws UserError naming the entry, for unknown words, values out of range, and notification that nobody would receive.
 */
export function readRules(profile: LinuxSeccomp): RuleSet {
  const defaultAction = readAction(profile.defaultAction, profile.defaultErrnoRet, pointer, "default");
  if (profile.defaultAction === "SCMP_ACT_NOTIFY")
    throw new UserError("seccomp: SCMP_ACT_NOTIFY cannot be the default action", { at: `${pointer}/defaultAction` });
  const rules: Rule[] = [];
  let notify = false;
  const syscalls = profile.syscalls ?? [];
  for (let i = 0; i < syscalls.length; i++) {
    const entry = syscalls[i] as LinuxSyscall;
    if (entry.action === "SCMP_ACT_NOTIFY") {
      refuseNotifyOnWrite(entry, i);
      notify = true;
    }
    readEntry(entry, i, rules);
  }
  checkListener(profile, notify);
  return { defaultAction, rules, notify, flags: readFlags(profile.flags) };
}

/** The return value of an action, with its 16 bits of data where it carries some. */
function readAction(name: unknown, errnoRet: number | undefined, at: string, what: "default" | "rule"): number {
  const field = what === "default" ? "defaultAction" : "action";
  if (name === undefined || name === "") throw new UserError(`seccomp: ${field} is missing`, { at: `${at}/${field}` });
  const value = actions[name as keyof typeof actions];
  if (typeof value !== "number")
    throw new UserError(`seccomp: unknown action ${JSON.stringify(name)}`, { at: `${at}/${field}` });
  if (name !== "SCMP_ACT_ERRNO" && name !== "SCMP_ACT_TRACE") return value;
  // A tracer may be given any 16 bits; an errno beyond the kernel's largest would be cut down to it silently.
  const data = errnoRet ?? EPERM;
  const limit = name === "SCMP_ACT_ERRNO" ? maxErrno : 0xffff;
  if (!Number.isInteger(data) || data < 0 || data > limit) {
    const errnoField = what === "default" ? "defaultErrnoRet" : "errnoRet";
    throw new UserError(`seccomp: ${errnoField} ${data} is not between 0 and ${limit}`, { at: `${at}/${errnoField}` });
  }
  return value + data;
}

/** One entry of the profile: one rule, or one for each condition when two look at the same argument (as runc has it). */
function readEntry(entry: LinuxSyscall, source: number, rules: Rule[]): void {
  const at = `${pointer}/syscalls/${source}`;
  const action = readAction(entry.action, entry.errnoRet, at, "rule");
  const names = entry.names;
  if (!Array.isArray(names)) throw new UserError("seccomp: a rule names no system calls", { at: `${at}/names` });
  const args = entry.args;
  if (args === undefined || args === null || args.length === 0) {
    rules.push({ source, names, action, conditions: [] });
    return;
  }
  const conditions = args.map((arg, i) => readCondition(arg, `${at}/args/${i}`));
  const seen = new Set(conditions.map((condition) => condition.index));
  const groups = seen.size === conditions.length ? [conditions] : conditions.map((condition) => [condition]);
  // A mask of zero compares nothing: libseccomp leaves such a condition out.
  for (const group of groups)
    rules.push({
      source,
      names,
      action,
      conditions: group.filter(({ maskHigh, maskLow }) => maskHigh !== 0 || maskLow !== 0).sort(byIndex),
    });
}

const byIndex = (a: Condition, b: Condition): number => a.index - b.index;

function readCondition({ index, value, valueTwo, op }: LinuxSeccompArg, at: string): Condition {
  if (!Number.isInteger(index) || index < 0 || index > 5)
    throw new UserError(`seccomp: argument index ${index} is not between 0 and 5`, { at: `${at}/index` });
  const code = operators[op as keyof typeof operators];
  if (typeof code !== "number")
    throw new UserError(`seccomp: unknown operator ${JSON.stringify(op)}`, { at: `${at}/op` });
  const [high, low] = halves(value ?? 0, `${at}/value`);
  const [highTwo, lowTwo] = halves(valueTwo ?? 0, `${at}/valueTwo`);
  if (code !== maskedEqual) return { index, op: code, high, low, maskHigh: 0xffffffff, maskLow: 0xffffffff };
  // The first value is the mask. Bits of the second outside of it could never be equal: libseccomp drops them.
  const masked = (half: number, mask: number) => (half & mask) >>> 0;
  return { index, op: code, high: masked(highTwo, high), low: masked(lowTwo, low), maskHigh: high, maskLow: low };
}

function halves(value: Uint64, at: string): readonly [high: number, low: number] {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0)
    return [Math.floor(value / 0x100000000), value >>> 0];
  if (typeof value === "bigint" && value >= 0n && value < 1n << 64n)
    return [Number(value >> 32n), Number(value & 0xffffffffn)];
  throw new UserError(`seccomp: ${value} is not an unsigned 64-bit integer`, { at });
}

/** Until the listener's descriptor has been handed over, init must be able to write to the runtime. */
function refuseNotifyOnWrite(entry: LinuxSyscall, source: number): void {
  if (entry.names?.includes("write"))
    throw new UserError("seccomp: SCMP_ACT_NOTIFY cannot be used for write", {
      at: `${pointer}/syscalls/${source}/names`,
    });
}

function checkListener({ listenerPath, listenerMetadata }: LinuxSeccomp, notify: boolean): void {
  const path = listenerPath ?? "";
  if (path === "" && (listenerMetadata ?? "") !== "")
    throw new UserError("seccomp: listenerMetadata needs listenerPath", { at: `${pointer}/listenerMetadata` });
  if (path === "" && notify)
    throw new UserError("seccomp: SCMP_ACT_NOTIFY needs listenerPath", { at: `${pointer}/listenerPath` });
}

/** Absent means SPEC_ALLOW, which spares processes the store-bypass mitigation; present but empty means none. */
function readFlags(flags: readonly string[] | undefined | null): readonly SeccompFlag[] {
  if (flags === undefined || flags === null) return ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"];
  flags.forEach((flag, i) => {
    if (!Object.hasOwn(filterFlags, flag))
      throw new UserError(`seccomp: unknown flag ${JSON.stringify(flag)}`, { at: `${pointer}/flags/${i}` });
  });
  return flags as readonly SeccompFlag[];
}
