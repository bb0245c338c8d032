// Calls that make up most of what programs do: a filter finds them first. The exact choice matters little, for most of
// them share one range. Numbers in ascending order rather than names, which would have to be looked up for each filter.
import type { Ranges } from "./ranges.ts";

/** By table; architectures that only run beside another have none, their calls being rare. */
export const frequent: Readonly<Record<string, readonly number[]>> = {
  // read write close fstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask ioctl pread64 writev
  // nanosleep getpid sendto recvfrom sendmsg recvmsg fcntl futex clock_gettime clock_nanosleep epoll_wait epoll_ctl
  // openat newfstatat epoll_pwait accept4 statx
  x86_64: [
    0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 20, 35, 39, 44, 45, 46, 47, 72, 202, 228, 230, 232, 233, 257, 262,
    281, 288, 332,
  ],
  // epoll_ctl epoll_pwait fcntl ioctl openat close lseek read write writev pread64 ppoll newfstatat fstat futex
  // nanosleep clock_gettime clock_nanosleep rt_sigaction rt_sigprocmask getpid sendto recvfrom sendmsg recvmsg brk
  // munmap mmap mprotect accept4 statx
  aarch64: [
    21, 22, 25, 29, 56, 57, 62, 63, 64, 66, 67, 73, 79, 80, 98, 101, 113, 115, 134, 135, 172, 206, 207, 211, 212, 214,
    215, 222, 226, 242, 291,
  ],
};

const weight = 64;

/**
 * How often each range is asked for, once and more for each frequent call in it, as sums: the weight of all ranges in
 * front of each, and at last of all. Undefined when no call is frequent.
 */
export function weightsOf({ starts }: Ranges, table: string): readonly number[] | undefined {
  const calls = frequent[table];
  if (calls === undefined) return undefined;
  const sums = [0];
  const count = starts.length;
  let next = 0;
  let sum = 0;
  for (let range = 1; range <= count; range++) {
    const end = range < count ? (starts[range] as number) : Number.POSITIVE_INFINITY;
    sum++;
    for (; (calls[next] as number) < end; next++) sum += weight;
    sums[range] = sum;
  }
  return sums;
}
