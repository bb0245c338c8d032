// Resource limits by name, with the number prlimit(2) takes. The numbers are those of x86_64 and aarch64.

export const rlimits: { readonly [name: string]: number } = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};

/** RLIM_INFINITY: no limit. */
export const unlimited = 18446744073709551615n;

/** The number of a limit; undefined for a name that isn't one. */
export function rlimitNumber(name: string): number | undefined {
  return Object.hasOwn(rlimits, name) ? rlimits[name] : undefined;
}
