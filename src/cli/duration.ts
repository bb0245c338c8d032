// Durations as Go programs write them: 500ms, 5s, 1m30s, 2h.

import { UserError } from "../errors.ts";

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds, more than 0; 0 when the flag is absent. */
export function parseDuration(text: string | undefined, flag: string): number {
  if (text === undefined) return 0;
  let sum = 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  for (const [, count, unit] of parts) sum += Number(count) * units[unit as keyof typeof units];
  const whole = parts.map(([part]) => part).join("") === text;
  if (!whole || !(sum >= 1) || sum > 0x7fffffff) {
    throw new UserError(`invalid duration ${JSON.stringify(text)} for ${flag}`, {
      code: "usage",
      hint: "such as 500ms, 5s or 1m30s",
    });
  }
  return Math.round(sum);
}
