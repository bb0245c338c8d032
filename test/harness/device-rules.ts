/**
 * One table of device rules for all who carry them out: the program for v2, the lists of v1, this machine's kernel and the
 * lab's. And the reference: for each kind of access, the last rule about the device counts.
 */
import { effectiveRules } from "../../src/cgroup/devices.ts";

export interface RuleCase {
  readonly name: string;
  /** linux.resources.devices */
  readonly rules: readonly Rule[];
  /** v1 has no way to say it: such a container is refused there */
  readonly refusedOnV1?: true;
}

interface Rule {
  readonly allow: boolean;
  readonly type?: "a" | "b" | "c";
  readonly major?: number;
  readonly minor?: number;
  readonly access?: string;
}

const denyAll: Rule = { allow: false, access: "rwm" };

/** 10:229 is fuse, 10:237 loop-control, 7:* loop devices, 5:1 console: none of them is among the built-in ones. */
export const ruleCases: readonly RuleCase[] = [
  { name: "no rules", rules: [] },
  { name: "deny all", rules: [denyAll] },
  { name: "allow all", rules: [{ allow: true, type: "a", access: "rwm" }] },
  { name: "one device", rules: [denyAll, { allow: true, type: "c", major: 10, minor: 229, access: "rwm" }] },
  { name: "without a first deny", rules: [{ allow: true, type: "c", major: 10, minor: 229, access: "rw" }] },
  { name: "read only", rules: [denyAll, { allow: true, type: "c", major: 10, minor: 229, access: "r" }] },
  { name: "write only", rules: [denyAll, { allow: true, type: "c", major: 10, minor: 229, access: "w" }] },
  {
    name: "read by one rule, write by another",
    rules: [
      denyAll,
      { allow: true, type: "c", major: 10, minor: 229, access: "r" },
      { allow: true, type: "c", major: 10, minor: 229, access: "w" },
    ],
  },
  {
    name: "read for a major, write for one of it",
    rules: [
      denyAll,
      { allow: true, type: "c", major: 10, access: "r" },
      { allow: true, type: "c", major: 10, minor: 229, access: "w" },
    ],
  },
  {
    name: "overlapping wildcards",
    rules: [
      denyAll,
      { allow: true, type: "c", major: 10, access: "r" },
      { allow: true, type: "c", minor: 229, access: "w" },
    ],
  },
  { name: "a major", rules: [denyAll, { allow: true, type: "b", major: 7, access: "rw" }] },
  { name: "any char device", rules: [denyAll, { allow: true, type: "c", major: -1, minor: -1, access: "rw" }] },
  {
    name: "allowed, then denied",
    rules: [
      denyAll,
      { allow: true, type: "c", major: 10, minor: 229, access: "rwm" },
      { allow: false, type: "c", major: 10, minor: 229, access: "w" },
    ],
  },
  {
    name: "denied, then allowed",
    rules: [
      { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
      { allow: true, type: "c", major: 10, minor: 229, access: "rwm" },
    ],
  },
  {
    name: "allow all but one",
    rules: [
      { allow: true, type: "a", access: "rwm" },
      { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
    ],
  },
  {
    name: "allow all but writing to a major",
    rules: [
      { allow: true, type: "a", access: "rwm" },
      { allow: false, type: "b", major: 7, access: "w" },
    ],
  },
  {
    name: "allow all but char devices",
    rules: [
      { allow: true, type: "a", access: "rwm" },
      { allow: false, type: "c", access: "rwm" },
    ],
  },
  {
    name: "a hole in a major",
    rules: [
      denyAll,
      { allow: true, type: "c", major: 10, access: "rwm" },
      { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
    ],
    refusedOnV1: true,
  },
  {
    name: "rules before an all-rule are forgotten",
    rules: [{ allow: true, type: "c", major: 10, minor: 229, access: "rwm" }, denyAll],
  },
  {
    name: "built-in ones can't be denied",
    rules: [denyAll, { allow: false, type: "c", major: 1, minor: 3, access: "rwm" }],
  },
];

export interface Question {
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
  /** One or two letters: "rw" asks for both at once */
  readonly access: string;
}

/** What every case is about. */
export const devices = [
  ["c", 1, 3],
  ["c", 10, 229],
  ["c", 10, 237],
  ["c", 5, 1],
  ["b", 7, 0],
  ["b", 7, 1],
  ["b", 10, 229],
] as const;

/** What is asked in every case. */
export const questions: readonly Question[] = devices.flatMap(([type, major, minor]) =>
  ["m", "r", "w", "rw"].map((access) => ({ type, major, minor, access })),
);

export function questionText({ type, major, minor, access }: Question): string {
  return `${type} ${major}:${minor} ${access}`;
}

/** The reference: every letter asked for must be granted, each by the last rule that is about it. */
export function mayUse({ rules }: RuleCase, { type, major, minor, access }: Question): boolean {
  const effective = effectiveRules(rules);
  return [...access].every((letter) => {
    const about = effective.filter(
      (rule) =>
        (rule.type === "a" || rule.type === type) &&
        (rule.major === -1 || rule.major === major) &&
        (rule.minor === -1 || rule.minor === minor) &&
        rule.access.includes(letter),
    );
    return about[about.length - 1]?.allow === true;
  });
}
