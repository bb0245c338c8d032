// Argument checks: 64-bit comparisons in a machine of 32-bit words. All comparisons are unsigned.
import type { Block, Leaves } from "./leaves.ts";
import { operators } from "./profile.ts";
import { highWord, jump, lowWord, type Program } from "./program.ts";
import type { Condition, Rule } from "./rules.ts";

const { SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_LE, SCMP_CMP_LT, SCMP_CMP_NE } = operators;

/** No offset: nothing is known but what is loaded. */
const nowhere = -1;

/**
 * Writes the checks of one system call: the first rule whose conditions all hold decides, else
 * the default.
 * @returns the position of the first check
 */
export function writeRules(program: Program, { rules, bits }: Block, leaves: Leaves): number {
  let next = program.return(0);
  for (let i = rules.length - 1; i >= 0; i--) {
    const { action, conditions } = rules[i] as Rule;
    let yes = program.return(leaves.action(action));
    for (let c = conditions.length - 1; c >= 0; c--)
      yes = writeCondition(program, conditions[c] as Condition, bits, yes, next);
    next = yes;
  }
  return next;
}

function writeCondition(program: Program, condition: Condition, bits: 32 | 64, yes: number, no: number): number {
  switch (condition.op) {
    case SCMP_CMP_EQ:
      return writeEqual(program, condition, bits, yes, no);
    case SCMP_CMP_NE:
      return writeEqual(program, condition, bits, no, yes);
    case SCMP_CMP_GT:
      return writeAbove(program, condition, bits, jump.greater, yes, no);
    case SCMP_CMP_LE:
      return writeAbove(program, condition, bits, jump.greater, no, yes);
    case SCMP_CMP_GE:
      return writeAbove(program, condition, bits, jump.greaterEqual, yes, no);
    case SCMP_CMP_LT:
      return writeAbove(program, condition, bits, jump.greaterEqual, no, yes);
    default:
      return writeMasked(program, condition, bits, yes, no);
  }
}

/** High word first: what differs there needs no second look. */
function writeEqual(program: Program, { index, high, low }: Condition, bits: 32 | 64, yes: number, no: number): number {
  const lowOffset = lowWord(index);
  const highOffset = highWord(index);
  const atLow = { loaded: lowOffset, offset: bits === 64 ? highOffset : nowhere, value: high, equal: true };
  const lowTest = writeTest(program, lowOffset, jump.equal, low, program.follow(yes, atLow), program.follow(no, atLow));
  if (bits === 32) return lowTest;
  const highDiffers = { loaded: highOffset, offset: highOffset, value: high, equal: false };
  return writeTest(program, highOffset, jump.equal, high, lowTest, program.follow(no, highDiffers));
}

/** Greater, or greater or equal by `lowTest`: by the high word, or if that is equal by the low word. */
function writeAbove(
  program: Program,
  { index, high, low }: Condition,
  bits: 32 | 64,
  lowTest: number,
  yes: number,
  no: number,
): number {
  const lowest = writeTest(program, lowWord(index), lowTest, low, yes, no);
  if (bits === 32) return lowest;
  // Nothing is below a high word of zero: unequal means greater, and one comparison does for two.
  if (high === 0) return writeTest(program, highWord(index), jump.equal, 0, lowest, yes);
  const equal = program.branch(jump.equal, high, lowest, no);
  return writeTest(program, highWord(index), jump.greater, high, yes, equal);
}

/** Only the words the mask touches are looked at. */
function writeMasked(program: Program, condition: Condition, bits: 32 | 64, yes: number, no: number): number {
  const { index, high, low, maskHigh, maskLow } = condition;
  let target = yes;
  if (maskLow !== 0) target = writeMaskedWord(program, lowWord(index), maskLow, low, target, no);
  if (bits === 64 && maskHigh !== 0) target = writeMaskedWord(program, highWord(index), maskHigh, high, target, no);
  return target;
}

function writeMaskedWord(
  program: Program,
  offset: number,
  mask: number,
  value: number,
  yes: number,
  no: number,
): number {
  if (mask === 0xffffffff) return writeTest(program, offset, jump.equal, value, yes, no);
  // "None of these bits": one instruction instead of two.
  if (value === 0) return writeTest(program, offset, jump.anySet, mask, no, yes);
  // So for a single bit that has to be set.
  if (value === mask && (mask & (mask - 1)) === 0) return writeTest(program, offset, jump.anySet, mask, yes, no);
  program.branch(jump.equal, value, yes, no);
  program.and(mask);
  return program.load(offset);
}

function writeTest(program: Program, offset: number, code: number, k: number, yes: number, no: number): number {
  program.branch(code, k, yes, no);
  return program.load(offset);
}
