// Generates the system call tables of src/seccomp from two sources on the build machine that must agree with each
// other: the kernel's own headers (an unpacked linux-libc-dev that carries every architecture) and libseccomp's resolver.
// The kernel version that introduced a call comes from the manual page syscalls(2), newer ones from the list below.
//
//   node tools/tables-seccomp.mjs [--headers DIR] [--libseccomp FILE] [--manual FILE]    write the tables
//   node tools/tables-seccomp.mjs --check                                               compare them with this machine
//
// --check asks the machine's libseccomp and headers, which may be older or newer than those the tables were made from:
// every name both know must have the same number, and every name this machine knows on one of our own architectures
// must be there.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import koffi from "koffi";

const { values: options } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    headers: { type: "string", default: "/usr/lib/linux/uapi" },
    libseccomp: { type: "string", default: "libseccomp.so.2" },
    manual: { type: "string", default: "/usr/share/man/man2/syscalls.2.gz" },
  },
});

const target = (name) => new URL(`../src/seccomp/${name}.generated.ts`, import.meta.url);

// Token: SCMP_ARCH_* of seccomp.h. Base: what is subtracted from the numbers before they are stored.
const architectures = {
  x86_64: { token: 0xc000003e, header: "x86/asm/unistd_64.h", base: 0 },
  x86: { token: 0x40000003, header: "x86/asm/unistd_32.h", base: 0 },
  x32: { token: 0x4000003e, header: "x86/asm/unistd_x32.h", base: 0x40000000 },
  aarch64: { token: 0xc00000b7, header: "arm64/asm/unistd_64.h", base: 0 },
  arm: { token: 0x40000028, header: "arm/asm/unistd-eabi.h", base: 0 },
  loongarch64: { token: 0xc0000102, header: "loongarch/asm/unistd_64.h", base: 0 },
  m68k: { token: 0x4, header: "m68k/asm/unistd_32.h", base: 0 },
  mips: { token: 0x8, header: "mips/asm/unistd_o32.h", base: 4000 },
  mips64: { token: 0x80000008, header: "mips/asm/unistd_n64.h", base: 5000 },
  mips64n32: { token: 0xa0000008, header: "mips/asm/unistd_n32.h", base: 6000 },
  parisc: { token: 0xf, header: "parisc/asm/unistd_32.h", base: 0 },
  parisc64: { token: 0x8000000f, header: "parisc/asm/unistd_64.h", base: 0 },
  ppc: { token: 0x14, header: "powerpc/asm/unistd_32.h", base: 0 },
  ppc64: { token: 0x80000015, header: "powerpc/asm/unistd_64.h", base: 0 },
  riscv64: { token: 0xc00000f3, header: "riscv/asm/unistd_64.h", base: 0 },
  s390: { token: 0x16, header: "s390/asm/unistd_32.h", base: 0 },
  s390x: { token: 0x80000016, header: "s390/asm/unistd_64.h", base: 0 },
  sh: { token: 0x2a, header: "sh/asm/unistd_32.h", base: 0 },
};
// The architectures a kernel we run on can report; the others are kept apart so that `create` never loads them.
const own = ["x86_64", "x86", "x32", "aarch64", "arm"];

// ARM's private calls begin here, far from the others: they have a table of their own.
const armPrivate = 0xf0000;

// Second names of a number, as ARM's headers have them: the tables carry the first.
const aliases = { sync_file_range2: "arm_sync_file_range" };

// Calls newer than the manual page, from the kernel's release notes.
const introducedLater = {
  cachestat: "6.5",
  fchmodat2: "6.6",
  map_shadow_stack: "6.6",
  futex_wake: "6.7",
  futex_wait: "6.7",
  futex_requeue: "6.7",
  statmount: "6.8",
  listmount: "6.8",
  lsm_get_self_attr: "6.8",
  lsm_set_self_attr: "6.8",
  lsm_list_modules: "6.8",
  mseal: "6.10",
  uretprobe: "6.11",
  riscv_hwprobe: "6.4",
  setxattrat: "6.13",
  getxattrat: "6.13",
  listxattrat: "6.13",
  removexattrat: "6.13",
  open_tree_attr: "6.15",
  file_getattr: "6.17",
  file_setattr: "6.17",
  uprobe: "6.18",
  listns: "6.19",
  memfd_secret: "5.14",
  process_mrelease: "5.15",
  futex_waitv: "5.16",
  set_mempolicy_home_node: "5.17",
  quotactl_fd: "5.14",
  epoll_pwait2: "5.11",
  mount_setattr: "5.12",
};

const resolver = loadResolver(options.libseccomp);
if (options.check) check();
else generate();

function generate() {
  if (!existsSync(options.headers)) fail(`no kernel headers in ${options.headers}: give --headers DIR`);
  const tables = readTables();
  const names = orderNames(tables);
  writeFileSync(target("tables"), tablesModule(names.own, own, tables));
  const foreign = Object.keys(architectures).filter((arch) => !own.includes(arch));
  writeFileSync(target("tables-foreign"), tablesModule(names.foreign, foreign, tables, names.own));
  writeFileSync(target("introduced"), introducedModule([...names.own, ...names.foreign]));
}

/** Numbers by architecture and name, from both sources; a contradiction ends the run. */
function readTables() {
  const tables = {};
  const everyName = new Set();
  for (const [arch, description] of Object.entries(architectures)) {
    tables[arch] = readHeader(`${options.headers}/${description.header}`);
    for (const name of [...Object.keys(tables[arch]), ...resolver.names(description)]) everyName.add(name);
  }
  for (const [arch, description] of Object.entries(architectures)) {
    for (const name of everyName) {
      const number = resolver.number(description, name);
      const known = tables[arch][name];
      if (number === undefined) continue;
      if (known !== undefined && known !== number)
        fail(`${arch} ${name}: ${known} in headers, ${number} in libseccomp`);
      tables[arch][name] = number;
    }
  }
  return tables;
}

function readHeader(path) {
  const numbers = {};
  if (!existsSync(path)) return numbers;
  for (const [, name, number] of readFileSync(path, "utf8").matchAll(
    /^#define __NR_(\w+)\s+\(?(?:__\w+\s*\+\s*)?(\d+)\)?\s*$/gm,
  )) {
    if (name === "Linux" || name.endsWith("_Linux") || name.endsWith("_Linux_syscalls")) continue;
    // x32's and the MIPS headers write numbers relative to a base macro: what is stored has no base either.
    numbers[name] = Number(number);
  }
  return numbers;
}

/** libseccomp's tables, through its public functions. Numbers come without the architecture's base. */
function loadResolver(path) {
  const library = koffi.load(path);
  const byName = library.func("int seccomp_syscall_resolve_name_arch(uint32_t arch, const char *name)");
  const byNumber = library.func("const char *seccomp_syscall_resolve_num_arch(uint32_t arch, int num)");
  const direct = multiplexed(library);
  const plain = (number, base) => (number >= base ? number - base : number);
  return {
    number({ token, base }, name) {
      const number = byName(token, name);
      // Socket and IPC calls of multiplexing architectures resolve to pseudo numbers: ask for the direct one.
      if (number <= -100 && number > -300) return direct(token, name);
      return number < 0 ? undefined : plain(number, base);
    },
    names({ token, base }) {
      const names = [];
      for (const start of [base, armPrivate])
        for (let number = start; number < start + 1100; number++) {
          const name = byNumber(token, number);
          if (name !== null) names.push(name);
        }
      return names;
    },
  };
}

/** A direct number of a multiplexed call: the one that resolves back to the call's name. */
function multiplexed(library) {
  const byNumber = library.func("const char *seccomp_syscall_resolve_num_arch(uint32_t arch, int num)");
  const tables = new Map();
  return (token, name) => {
    if (!tables.has(token)) {
      const base = Object.values(architectures).find((arch) => arch.token === token).base;
      const table = new Map();
      for (let number = 0; number < 1100; number++) {
        const known = byNumber(token, base + number);
        if (known !== null) table.set(known, number);
      }
      tables.set(token, table);
    }
    return tables.get(token).get(name);
  };
}

/** Our own architectures' names by x86_64 number, then by name; then the names only others have. */
function orderNames(tables) {
  const onArch = (list) => [...new Set(list.flatMap((arch) => Object.keys(tables[arch])))];
  const rank = (name) => tables.x86_64[name] ?? 10000;
  const order = (a, b) => rank(a) - rank(b) || (a < b ? -1 : 1);
  const ownNames = onArch(own).sort(order);
  const foreign = onArch(Object.keys(tables))
    .filter((name) => !ownNames.includes(name))
    .sort(order);
  return { own: ownNames, foreign };
}

function tablesModule(names, arches, tables, before = []) {
  const position = new Map([...before, ...names].map((name, index) => [name, index + 1]));
  const prefix = before.length === 0 ? "" : "foreign";
  const lines = [
    "// Generated by tools/tables-seccomp.mjs from kernel headers and libseccomp's resolver. Do not edit.",
    "//",
    "// Compact on purpose, for a container's creation loads it. A table is a string: the code unit at a call's number",
    "// (without the architecture's base) is the place of its name in the list, counted from 1; 0 is no call.",
    "",
    ...(prefix === "" ? placesLines(names) : foreignNamesLines(names)),
    "",
    "/** Names by number, for each architecture. */",
    `export const ${prefix === "" ? "calls" : "foreignCalls"} = {`,
    ...arches.flatMap((arch) => tableLines(arch, tables[arch], position)),
    "} as const;",
  ];
  return `${lines.join("\n")}\n`;
}

/** A literal, not a list to be split and counted: the engine makes an object from it in a fifth of the time. */
function placesLines(names) {
  const entries = [
    ...names.map((name, index) => `${name}: ${index + 1},`),
    ...Object.entries(aliases).map(([alias, name]) => `${alias}: ${names.indexOf(name) + 1},`),
  ];
  return [
    "/**",
    " * Every system call that exists on an architecture a kernel of ours can report, and its place in the list; second",
    " * names of a call share its place.",
    " */",
    "export const places = (): Readonly<Record<string, number>> =>",
    "  ({",
    "    __proto__: null as never,",
    ...wrap(entries, 112).map((line) => `    ${line.trimEnd()}`),
    "  }) satisfies Record<string, number>;",
  ];
}

function foreignNamesLines(names) {
  const rows = wrap(names, 112).map((line) => `  "${line}"`);
  return [
    "/** Calls that exist only on other architectures; they continue the list of tables.generated.ts. */",
    "export const foreignNames =",
    `${rows.join(" +\n")};`,
  ];
}

function tableLines(arch, table, position) {
  const numbers = Object.values(table);
  const isPrivate = (number) => number >= armPrivate;
  const parts = [[arch, 0, numbers.filter((number) => !isPrivate(number))]];
  if (numbers.some(isPrivate)) parts.push([`${arch}Private`, armPrivate, numbers.filter(isPrivate)]);
  return parts.flatMap(([name, base, list]) => {
    const units = new Array(Math.max(...list) - base + 1).fill(0);
    for (const [call, number] of Object.entries(table))
      if (list.includes(number)) {
        const place = position.get(call);
        const taken = units[number - base];
        if (taken !== 0) fail(`${arch}: number ${number} has two names`);
        units[number - base] = place;
      }
    const rows = [];
    for (let at = 0; at < units.length; at += 18)
      rows.push(
        `    "${units
          .slice(at, at + 18)
          .map(escapeUnit)
          .join("")}"`,
      );
    return [`  ${name}:`, `${rows.join(" +\n")},`];
  });
}

function escapeUnit(unit) {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}

function introducedModule(names) {
  const versions = manualVersions();
  const byVersion = new Map();
  for (const name of names) {
    const version = introducedLater[name] ?? versions[name];
    if (version === undefined) continue;
    byVersion.set(version, [...(byVersion.get(version) ?? []), name]);
  }
  const order = (version) => version.split(".").reduce((sum, part) => sum * 1000 + Number(part), 0);
  const padded = (version) => (version.split(".").length === 3 ? order(version) : order(version) * 1000);
  const sorted = [...byVersion].sort(([a], [b]) => padded(a) - padded(b));
  return `${[
    "// Generated by tools/tables-seccomp.mjs from syscalls(2) and, for newer calls, the kernel's release notes. Do not edit.",
    "",
    "/** The system calls a kernel version brought, oldest version first. */",
    "export const introduced: readonly (readonly [version: string, names: string])[] = [",
    ...sorted.flatMap(([version, list]) => {
      const rows = wrap(list, 108).map((line) => `"${line}"`);
      return rows.length === 1
        ? [`  ["${version}", ${rows[0]}],`]
        : ["  [", `    "${version}",`, `    ${rows.join(" +\n      ")},`, "  ],"];
    }),
    "];",
  ].join("\n")}\n`;
}

/** "name(2)  version" rows of the manual page's table. */
function manualVersions() {
  const versions = {};
  if (!existsSync(options.manual)) fail(`no manual page ${options.manual}: give --manual FILE`);
  const text = gunzipSync(readFileSync(options.manual)).toString("utf8");
  for (const [, name, version] of text.matchAll(/^\\fB(\w+)\\fP\(\d\)\t(\d+\.\d+(?:\.\d+)?)/gm))
    versions[name] = version;
  return versions;
}

function wrap(words, width) {
  const lines = [];
  for (const word of words) {
    const last = lines[lines.length - 1];
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last}${word} `;
    else lines.push(`${word} `);
  }
  if (lines.length > 0) lines[lines.length - 1] = lines[lines.length - 1].trimEnd();
  return lines;
}

/** Compares the committed tables with what this machine knows. */
function check() {
  const ours = readModule("tables");
  const foreign = readModule("tables-foreign");
  const names = [...ours.names, ...foreign.names];
  const problems = [];
  for (const [arch, description] of Object.entries(architectures)) {
    const stored = new Map();
    const read = (table, base) => {
      const units = ours.tables[table] ?? foreign.tables[table] ?? "";
      for (let at = 0; at < units.length; at++)
        if (units.charCodeAt(at) !== 0) stored.set(names[units.charCodeAt(at) - 1], base + at);
    };
    read(arch, 0);
    read(`${arch}Private`, armPrivate);
    const compare = (name, number, source) => {
      const known = stored.get(name);
      // libseccomp's older tables list calls that some rare architectures never had: there, absence is no mistake.
      if (known === number || (known === undefined && !own.includes(arch))) return;
      problems.push(`${arch} ${name}: ${number} in ${source}, ${known ?? "nothing"} in the table`);
    };
    for (const [name, number] of Object.entries(readHeader(`${options.headers}/${description.header}`)))
      compare(name, number, "headers");
    for (const name of new Set([...names, ...resolver.names(description)])) {
      const number = resolver.number(description, name);
      if (number !== undefined) compare(name, number, "libseccomp");
    }
  }
  if (problems.length > 0) fail(`the tables are not up to date:\n  ${problems.slice(0, 20).join("\n  ")}`);
}

/** The committed file's data. Read as text: node 20 doesn't load TypeScript. */
function readModule(name) {
  const text = readFileSync(target(name), "utf8");
  const join = (body) => JSON.parse(`"${[...body.matchAll(/"([^"]*)"/g)].map(([, part]) => part).join("")}"`);
  const list = /export const foreignNames =\n([^;]*);/.exec(text)?.[1];
  const entries = [...text.matchAll(/\b(\w+): (\d+),/g)].filter(([, call]) => !(call in aliases));
  const tables = {};
  for (const [, arch, body] of text.matchAll(/^ {2}(\w+):\n([^,]*),/gm)) tables[arch] = join(body);
  return { names: list === undefined ? entries.map(([, call]) => call) : join(list).split(" "), tables };
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
