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
const allBits = 0xffffffff;
const pointer = "/linux/seccomp";

/** SCMP_CMP_MASKED_EQ, the one operator with a mask. */
export const maskedEqual: number = operators.SCMP_CMP_MASKED_EQ;

/**
 * Checks a profile and turns its words into numbers.
 * @throws UserError naming the entry, for unknown words, values out of range, and notification that nobody would receive.
 */
export function readRules(profile: LinuxSeccomp): RuleSet {
  const defaultAction = readAction(profile.defaultAction, profile.defaultErrnoRet, -1);
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

/**
 * The return value of an action, with its 16 bits of data where it carries some.
 * @param source the entry it is from, -1 for the default action
 */
function readAction(name: string, errnoRet: number | undefined, source: number): number {
  const value = actions[name as keyof typeof actions];
  if (typeof value !== "number") throw badAction(name, source);
  if (name !== "SCMP_ACT_ERRNO" && name !== "SCMP_ACT_TRACE") return value;
  // A tracer may be given any 16 bits; an errno beyond the kernel's largest would be cut down to it silently.
  const data = errnoRet ?? EPERM;
  const limit = name === "SCMP_ACT_ERRNO" ? maxErrno : 0xffff;
  if (Number.isInteger(data) && data >= 0 && data <= limit) return value + data;
  const field = source < 0 ? "defaultErrnoRet" : "errnoRet";
  throw new UserError(`seccomp: ${field} ${data} is not between 0 and ${limit}`, {
    at: `${entryPointer(source)}/${field}`,
  });
}

function badAction(name: unknown, source: number): UserError {
  const field = source < 0 ? "defaultAction" : "action";
  const at = { at: `${entryPointer(source)}/${field}` };
  if (name === undefined || name === null || name === "") return new UserError(`seccomp: ${field} is missing`, at);
  return new UserError(`seccomp: unknown action ${JSON.stringify(name)}`, at);
}

function entryPointer(source: number): string {
  return source < 0 ? pointer : `${pointer}/syscalls/${source}`;
}

/** One entry of the profile: one rule, or one for each condition when two look at the same argument (as runc has it). */
function readEntry(entry: LinuxSyscall, source: number, rules: Rule[]): void {
  const { names, args } = entry;
  const action = readAction(entry.action, entry.errnoRet, source);
  if (!Array.isArray(names))
    throw new UserError("seccomp: a rule names no system calls", { at: `${entryPointer(source)}/names` });
  if (args === undefined || args === null || args.length === 0) {
    rules.push({ source, names, action, conditions: [] });
    return;
  }
  const conditions: Condition[] = [];
  let indices = 0;
  let repeated = false;
  for (let i = 0; i < args.length; i++) {
    const condition = readCondition(args[i] as LinuxSeccompArg, source, i);
    repeated ||= (indices & (1 << condition.index)) !== 0;
    indices |= 1 << condition.index;
    conditions.push(condition);
  }
  if (!repeated) rules.push({ source, names, action, conditions: meaningful(conditions) });
  else for (const condition of conditions) rules.push({ source, names, action, conditions: meaningful([condition]) });
}

/** In the order of the arguments, and without masks of zero: those compare nothing, and libseccomp leaves them out. */
function meaningful(conditions: readonly Condition[]): readonly Condition[] {
  const [first] = conditions;
  if (conditions.length === 1 && first !== undefined && (first.maskLow !== 0 || first.maskHigh !== 0))
    return conditions;
  return conditions
    .filter(({ maskHigh, maskLow }) => maskHigh !== 0 || maskLow !== 0)
    .sort((one, other) => one.index - other.index);
}

function readCondition(arg: LinuxSeccompArg, source: number, position: number): Condition {
  const { index, op } = arg;
  const at = (field: string) => ({ at: `${entryPointer(source)}/args/${position}/${field}` });
  if (!Number.isInteger(index) || index < 0 || index > 5)
    throw new UserError(`seccomp: argument index ${index} is not between 0 and 5`, at("index"));
  const code = operators[op as keyof typeof operators];
  if (typeof code !== "number") throw new UserError(`seccomp: unknown operator ${JSON.stringify(op)}`, at("op"));
  const value = arg.value ?? 0;
  if (!isUint64(value)) throw new UserError(`seccomp: ${value} is not an unsigned 64-bit integer`, at("value"));
  const high = highHalf(value);
  const low = lowHalf(value);
  if (code !== maskedEqual) return { index, op: code, high, low, maskHigh: allBits, maskLow: allBits };
  // The first value is the mask. Bits of the second outside of it could never be equal: libseccomp drops them.
  const two = arg.valueTwo ?? 0;
  if (!isUint64(two)) throw new UserError(`seccomp: ${two} is not an unsigned 64-bit integer`, at("valueTwo"));
  return {
    index,
    op: code,
    high: (highHalf(two) & high) >>> 0,
    low: (lowHalf(two) & low) >>> 0,
    maskHigh: high,
    maskLow: low,
  };
}

function isUint64(value: Uint64): boolean {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0;
  return typeof value === "bigint" && value >= 0n && value < 1n << 64n;
}

function highHalf(value: Uint64): number {
  return typeof value === "number" ? Math.floor(value / 0x100000000) : Number(value >> 32n);
}

function lowHalf(value: Uint64): number {
  return typeof value === "number" ? value >>> 0 : Number(value & 0xffffffffn);
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
