// How many instructions a call costs: never more than libseccomp's filter takes, with the tree runc asks it for and
// without the prologue runc puts in front of it.
import { describe, expect, test } from "vitest";
import { compileSeccomp } from "../../../src/seccomp/compile.ts";
import { frequent } from "../../../src/seccomp/frequent.ts";
import { interpreter } from "../../../src/seccomp/interpret.ts";
import { architectures } from "../../../src/seccomp/profile.ts";
import { numbersOf } from "./compare.ts";
import { readProfile } from "./fixtures.ts";
import { oracle } from "./libseccomp.ts";

// By counts of system calls in a web server, a database, a shell and a language runtime at work.
const twenty =
  "read write close openat newfstatat fstat lseek mmap mprotect munmap brk ioctl pread64 futex epoll_wait recvfrom " +
  "sendto rt_sigaction rt_sigprocmask clock_gettime";

describe.each(["podman", "docker", "containerd"])("the default profile of %s", (engine) => {
  const profile = readProfile(engine);
  const { audit } = architectures.SCMP_ARCH_X86_64;
  const numbers = numbersOf("SCMP_ARCH_X86_64");
  const compiled = compileSeccomp(profile, { arch: "x86_64" });
  const ours = interpreter(compiled.program);
  const theirProgram = oracle(profile, "x86_64").program;
  const theirs = interpreter(theirProgram);

  test.each(twenty.split(" "))("%s takes no more instructions than libseccomp's", (name) => {
    const call = { audit, number: numbers.get(name) as number };
    expect(ours(call).value).toBe(theirs(call).value);
    expect(ours(call).steps).toBeLessThanOrEqual(theirs(call).steps);
  });

  test("takes at most ten for each of them, and the program is shorter", () => {
    const steps = twenty.split(" ").map((name) => ours({ audit, number: numbers.get(name) as number }).steps);
    expect(Math.max(...steps)).toBeLessThanOrEqual(10);
    expect(compiled.instructions).toBeLessThan(theirProgram.byteLength / 8);
  });
});

describe("frequent calls", () => {
  test.each(["x86_64", "aarch64"])("are in ascending order and known on %s", (table) => {
    const list = frequent[table] ?? [];
    expect(list).toEqual([...new Set(list)].sort((one, other) => one - other));
    const arch = table === "x86_64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64";
    const byNumber = new Map([...numbersOf(arch)].map(([name, number]) => [number, name]));
    expect(list.map((number) => byNumber.get(number)).filter((name) => name === undefined)).toEqual([]);
    const present = twenty.split(" ").filter((name) => numbersOf(arch).has(name));
    expect(list).toEqual(expect.arrayContaining(present.map((name) => numbersOf(arch).get(name))));
  });
});
