// Device rules as cgroup v1 keeps them: one answer for all devices, and exceptions from it. Pure.
//
// The kernel's lists are weaker than our rules (devices.ts): an exception is only taken back by naming exactly the same
// devices, and an access is only granted if one exception alone grants all of it. Written as they come, "allow c 1:*, deny
// c 1:3" would allow 1:3. So the rules are first worked out for every pattern in them, and what no list of exceptions can
// say is refused.

import { UserError } from "../errors.ts";
import { type DeviceRule, ruleText } from "./devices.ts";

/** A line for devices.allow or devices.deny. */
export type DeviceLine = readonly [file: "allow" | "deny", line: string];

type Letters = ReadonlySet<string>;

/** Devices, and what may be done with them. */
interface Pattern extends Omit<DeviceRule, "allow" | "access"> {
  readonly allowed: Letters;
}

const every = ["r", "w", "m"];

/**
 * The lines for rules in the order in which they count; the first is for all devices.
 *
 * @throws UserError for a rule that takes away a part of what a wider one gives, where v1 can't express that
 */
export function deviceLines(rules: readonly DeviceRule[]): readonly DeviceLine[] {
  const [first, ...others] = rules;
  if (first === undefined) return [];
  if (others.every(simple) && (!first.allow || others.length === 0)) return rules.map(lineOf);
  const patterns = workOut(rules);
  const allowing = first.allow ? exceptions(patterns, "deny") : undefined;
  const denying = allowing === undefined ? exceptions(patterns, "allow") : undefined;
  const lines = allowing ?? denying;
  if (lines === undefined) throw inexpressible(patterns);
  return [[allowing === undefined ? "deny" : "allow", "a"], ...lines];
}

/** A rule that means the same in both worlds: it adds, and nothing that another rule would have to complete. */
function simple({ allow, access }: DeviceRule): boolean {
  return allow && (access === "m" || (access.includes("r") && access.includes("w")));
}

function lineOf(rule: DeviceRule): DeviceLine {
  return [rule.allow ? "allow" : "deny", ruleText(rule)];
}

/** All patterns of the rules and where they overlap, each with what the rules allow for it; the widest first. */
function workOut(rules: readonly DeviceRule[]): readonly Pattern[] {
  const found = new Map<string, Pattern>();
  const add = (type: "b" | "c", major: number, minor: number): void => {
    const key = `${type} ${major}:${minor}`;
    if (!found.has(key)) found.set(key, { type, major, minor, allowed: allowedFor({ type, major, minor }, rules) });
  };
  for (const type of ["b", "c"] as const) {
    const own = rules.filter((rule) => rule.type === type);
    const numbers = (member: "major" | "minor"): ReadonlySet<number> => new Set(own.map((rule) => rule[member]));
    add(type, -1, -1);
    for (const major of numbers("major")) add(type, major, -1);
    for (const minor of numbers("minor")) add(type, -1, minor);
    for (const { major, minor } of own) add(type, major, minor);
    const majorsAlone = own.filter(({ minor }) => minor < 0);
    for (const { minor } of own.filter(({ major }) => major < 0)) {
      for (const { major } of majorsAlone) add(type, major, minor);
    }
  }
  return [...found.values()];
}

function allowedFor(devices: Omit<Pattern, "allowed">, rules: readonly DeviceRule[]): Letters {
  const allowed = new Set<string>();
  for (const rule of rules) {
    if (!covers(rule, devices)) continue;
    for (const letter of rule.access) {
      if (rule.allow) allowed.add(letter);
      else allowed.delete(letter);
    }
  }
  return allowed;
}

function covers(wide: Pick<DeviceRule, "type" | "major" | "minor">, narrow: Omit<Pattern, "allowed">): boolean {
  return (
    (wide.type === "a" || wide.type === narrow.type) &&
    (wide.major < 0 || wide.major === narrow.major) &&
    (wide.minor < 0 || wide.minor === narrow.minor)
  );
}

/** The exceptions that allow (or deny) what the patterns say; undefined when one of them would have to be taken back. */
function exceptions(patterns: readonly Pattern[], file: "allow" | "deny"): readonly DeviceLine[] | undefined {
  const lines: DeviceLine[] = [];
  for (const pattern of patterns) {
    const letters = lettersOf(pattern, file);
    const wider = patterns.filter((other) => other !== pattern && covers(other, pattern));
    if (wider.some((other) => lettersOf(other, file).some((letter) => !letters.includes(letter)))) return undefined;
    const known = wider.some((other) => lettersOf(other, file).length === letters.length);
    if (letters.length > 0 && !known) {
      const { type, major, minor } = pattern;
      lines.push([file, ruleText({ allow: file === "allow", type, major, minor, access: letters.join("") })]);
    }
  }
  return lines;
}

function lettersOf({ allowed }: Pattern, file: "allow" | "deny"): readonly string[] {
  return every.filter((letter) => allowed.has(letter) === (file === "allow"));
}

function inexpressible(patterns: readonly Pattern[]): UserError {
  const hole = patterns.find((pattern) =>
    patterns.some(
      (other) => covers(other, pattern) && [...other.allowed].some((letter) => !pattern.allowed.has(letter)),
    ),
  );
  const devices = hole === undefined ? "" : ` of ${ruleText({ ...hole, allow: false, access: "" }).trim()}`;
  return new UserError(`cgroup v1 can't deny a part${devices} of what a wider device rule allows`, {
    at: "/linux/resources/devices",
    code: "cgroup",
    hint: "allow the devices one by one, or use a machine with cgroup v2",
  });
}
