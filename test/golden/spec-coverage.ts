// Which file does a property of config.json, and which test shows it. spec-coverage.test.ts checks every word of this
// against the schema, the sources and the tests, and writes docs/spec-coverage.md from it.

/** A test: its file and a part of its title, as it stands in the source. */
export type Shown = readonly [file: string, title: string];

export interface Row {
  /** A property as a path; "x.**" is x and everything in it. [] stands for any element, {} for any member */
  readonly property: string;
  /** The source file where it is done */
  readonly done: string;
  readonly tests: readonly Shown[];
  /** What is to be said besides */
  readonly note?: string;
}

const row = (property: string, done: string, ...tests: readonly Shown[]): Row => ({ property, done, tests });
const noted = (note: string, line: Row): Row => ({ ...line, note });

const rules = (title: string): Shown => ["test/unit/spec/rules.test.ts", title];
const mounts = (title: string): Shown => ["test/integration/mounts.test.ts", title];
const rareMounts = (title: string): Shown => ["test/integration/fields-mounts.test.ts", title];
const system = (title: string): Shown => ["test/integration/fields-system.test.ts", title];
const users = (title: string): Shown => ["test/integration/fields-users.test.ts", title];
const process = (title: string): Shown => ["test/integration/process.test.ts", title];
const namespaces = (title: string): Shown => ["test/integration/namespaces.test.ts", title];
const resources = (title: string): Shown => ["test/unit/cgroup/resources.test.ts", title];
const filters = (title: string): Shown => ["test/unit/seccomp/rules.test.ts", title];

const where = "where they run: namespaces and root of each kind";
const argv = "args are the argv as given, argv[0] too";
const hook = (kind: string, done: string): Row =>
  row(
    `hooks.${kind}.**`,
    done,
    ["test/integration/hooks.test.ts", where],
    ["test/integration/hooks.test.ts", argv],
    ["test/integration/hooks.test.ts", "timeout"],
  );

export const coverage: readonly Row[] = [
  row("ociVersion", "src/spec/rules/version.ts", rules("ociVersion")),

  row("root", "src/container/bundle.ts", rules("root and paths")),
  row(
    "root.path",
    "native/init/rootfs.c",
    ["test/integration/fields-validate.test.ts", "a root file system that is missing"],
    ["test/integration/errors.test.ts", "rootfs"],
  ),
  row("root.readonly", "src/plan/compile.ts", mounts("a read-only root, with writable mounts in it")),

  row("mounts", "src/plan/mounts.ts", mounts("mounts follow the order of the list and may sit inside each other")),
  row("mounts[].destination", "native/init/resolve.c", mounts("stays in the rootfs (V06)")),
  row("mounts[].source", "src/plan/mounts.ts", mounts("a source relative to the bundle")),
  row("mounts[].type", "native/init/mount.c", mounts("the default config's mounts")),
  row(
    "mounts[].options",
    "src/plan/mount-options.ts",
    mounts("tmpfs options: mode, size, uid, gid"),
    rareMounts("bind with ${options.join"),
    rareMounts("recursive attributes reach the mounts below, plain ones don't"),
    rareMounts("tmpcopyup brings what the directory held"),
    rareMounts("copy-symlink makes the same link"),
    rareMounts("dest-nofollow covers the link"),
    rareMounts("src-nofollow binds the link itself"),
    rareMounts("an option string longer than"),
    mounts("bind with ${option}"),
  ),
  row(
    "mounts[].uidMappings.**",
    "src/container/idmap.ts",
    rareMounts("a mount's own mappings change who owns its files"),
    rareMounts("of a tree: the mount below it"),
  ),
  row(
    "mounts[].gidMappings.**",
    "src/container/idmap.ts",
    rareMounts("a mount's own mappings change who owns its files"),
    rareMounts("a mount's own mappings inside a user namespace"),
  ),

  row("process", "src/plan/process.ts", process("the program is pid 1 of its own session")),
  row("process.terminal", "native/init/console.c", [
    "test/integration/console.test.ts",
    "it is a terminal of the container's devpts",
  ]),
  row("process.consoleSize.**", "src/plan/console.ts", ["test/integration/console.test.ts", "of the given size"]),
  row(
    "process.cwd",
    "native/init/process.c",
    process("cwd is made when missing"),
    process("a cwd that only the user may enter"),
  ),
  row("process.env", "src/plan/process.ts", process("the environment is the config's, nothing of the caller's")),
  row("process.args", "native/init/program.c", process("programs are found in the container's PATH"), [
    "test/integration/fields-program.test.ts",
    "run tells of a program that is",
  ]),
  row("process.rlimits.**", "src/plan/process.ts", process("rlimits are exactly those given"), process("stays exact")),
  row(
    "process.apparmorProfile",
    "src/container/labels.ts",
    system("on a machine without its security module is refused"),
  ),
  row("process.selinuxLabel", "src/container/labels.ts", system("on a machine without its security module is refused")),
  row(
    "process.capabilities.**",
    "src/plan/process.ts",
    process("capabilities: ${name}"),
    process("an unknown name is a warning"),
  ),
  row("process.noNewPrivileges", "src/plan/process.ts", process("noNewPrivileges and oomScoreAdj")),
  row("process.oomScoreAdj", "src/container/proc-files.ts", process("noNewPrivileges and oomScoreAdj")),
  row("process.scheduler.**", "src/plan/scheduling.ts", system("SCHED_DEADLINE")),
  row("process.ioPriority.**", "src/plan/scheduling.ts", system("ioPriority")),
  row("process.execCPUAffinity.**", "src/plan/scheduling.ts", system("execCPUAffinity")),
  row("process.user", "src/plan/process.ts", process("user, group, additional groups")),
  row("process.user.uid", "src/plan/process.ts", process("user, group, additional groups")),
  row("process.user.gid", "src/plan/process.ts", process("user, group, additional groups")),
  row("process.user.additionalGids", "src/plan/process.ts", process("no group of the caller stays")),
  row("process.user.umask", "src/plan/process.ts", process("umask ${given")),
  noted(
    "for Windows; has no effect",
    row("process.user.username", "schema/config.schema.json", system("members for other systems have no effect")),
  ),

  row("hostname", "src/plan/system.ts", namespaces("hostname, domainname, sysctls of own namespaces")),
  row("domainname", "src/plan/system.ts", namespaces("hostname, domainname, sysctls of own namespaces")),
  row("annotations", "src/plan/hooks.ts", system("annotations are handed to hooks and told by state")),
  row("hooks", "src/container/hooks.ts", ["test/integration/hooks.test.ts", where]),
  hook("prestart", "src/container/hooks.ts"),
  hook("createRuntime", "src/container/hooks.ts"),
  hook("createContainer", "native/init/hook.c"),
  hook("startContainer", "native/init/hook.c"),
  hook("poststart", "src/container/hooks.ts"),
  hook("poststop", "src/container/hooks.ts"),

  row("linux", "src/plan/compile.ts", [
    "test/unit/plan/compile.test.ts",
    "without a mount namespace nothing may be mounted",
  ]),
  row(
    "linux.namespaces",
    "src/plan/namespaces.ts",
    namespaces("each listed namespace is new, each other one is the caller's"),
  ),
  row("linux.namespaces[].type", "src/plan/namespaces.ts", namespaces("all kinds at once, with a user namespace")),
  row(
    "linux.namespaces[].path",
    "src/container/namespaces.ts",
    namespaces("namespace by path"),
    users("a joined user namespace"),
  ),
  row("linux.uidMappings.**", "src/container/id-maps.ts", users("several mappings, different ones for groups")),
  row("linux.gidMappings.**", "src/container/id-maps.ts", users("several mappings, different ones for groups")),
  row(
    "linux.timeOffsets.**",
    "src/container/proc-files.ts",
    system("offsets of both clocks"),
    system("a negative offset"),
  ),
  row("linux.devices.**", "src/plan/devices.ts", system("every type with its mode and owner, whatever the umask")),
  row(
    "linux.netDevices.**",
    "src/container/net-devices.ts",
    system("a device moves with its addresses, and is up"),
    system("a device gets another name"),
  ),
  row("linux.cgroupsPath", "src/cgroup/record.ts", [
    "test/integration/cgroups.test.ts",
    "the process is in the cgroup of cgroupsPath",
  ]),
  row("linux.resources", "src/cgroup/resources.ts", [
    "test/integration/cgroups.test.ts",
    "memory, pids and cpu limits are written",
  ]),
  row("linux.resources.unified", "src/cgroup/resources.ts", resources("unified comes last, line by line")),
  row(
    "linux.resources.devices.**",
    "src/cgroup/devices.ts",
    ["test/unit/cgroup/devices.test.ts", "the program for $name"],
    ["test/harness/device-rules.ts", "ruleCases"],
    ["test/integration/device-rules.test.ts", "test(rules.name"],
  ),
  row("linux.resources.memory.**", "src/cgroup/resources.ts", resources("memory"), [
    "test/integration/update.test.ts",
    "a limit below what is in use tells how much that is",
  ]),
  row("linux.resources.cpu.**", "src/cgroup/resources.ts", resources("quota and period")),
  row("linux.resources.pids.**", "src/cgroup/resources.ts", resources("pids"), [
    "test/integration/cgroups.test.ts",
    "the limits hold: pids",
  ]),
  row("linux.resources.blockIO.**", "src/cgroup/resources.ts", resources("block I/O weights")),
  row("linux.resources.hugepageLimits.**", "src/cgroup/resources.ts", resources("huge pages")),
  row("linux.resources.network.**", "src/cgroup/resources.ts", resources("network")),
  row("linux.resources.rdma.**", "src/cgroup/resources.ts", resources("rdma")),
  row("linux.intelRdt", "src/container/intel-rdt.ts", system("a machine without resctrl")),
  row("linux.intelRdt.closID", "src/container/intel-rdt.ts", system("without closID the group is the container's own")),
  row(
    "linux.intelRdt.schemata",
    "src/container/intel-rdt.ts",
    system("a group that exists must be what the config says"),
  ),
  row("linux.intelRdt.l3CacheSchema", "src/container/intel-rdt.ts", system("MB lines of l3CacheSchema")),
  row("linux.intelRdt.memBwSchema", "src/container/intel-rdt.ts", system("MB lines of l3CacheSchema")),
  row("linux.intelRdt.enableMonitoring", "src/container/intel-rdt.ts", system("monitoring goes with the container")),
  noted(
    "deprecated by enableMonitoring; accepted, without effect",
    row(
      "linux.intelRdt.enableCMT",
      "schema/config.schema.json",
      system("the members before enableMonitoring have no effect"),
    ),
  ),
  noted(
    "deprecated by enableMonitoring; accepted, without effect",
    row(
      "linux.intelRdt.enableMBM",
      "schema/config.schema.json",
      system("the members before enableMonitoring have no effect"),
    ),
  ),
  row("linux.memoryPolicy.**", "src/plan/scheduling.ts", system("memoryPolicy ${name}")),
  row("linux.sysctl", "src/plan/system.ts", namespaces("hostname, domainname, sysctls of own namespaces")),
  row("linux.seccomp", "src/seccomp/compile.ts", ["test/unit/seccomp/kernel.test.ts", "carry out every action"]),
  row("linux.seccomp.defaultAction", "src/seccomp/rules.ts", filters("mistakes"), [
    "test/unit/seccomp/kernel.test.ts",
    "deny everything, even the end",
  ]),
  row("linux.seccomp.defaultErrnoRet", "src/seccomp/rules.ts", filters("mistakes")),
  row("linux.seccomp.architectures", "src/seccomp/compile.ts", filters("with a foreign architecture")),
  row("linux.seccomp.flags", "src/seccomp/rules.ts", filters("flags")),
  row("linux.seccomp.listenerPath", "src/container/listener.ts", [
    "test/integration/seccomp.test.ts",
    "an agent gets the listener and decides",
  ]),
  row("linux.seccomp.listenerMetadata", "src/container/listener.ts", [
    "test/integration/seccomp.test.ts",
    "an agent gets the listener and decides",
  ]),
  row("linux.seccomp.syscalls", "src/seccomp/outcomes.ts", filters("for names that are no calls are skipped")),
  row("linux.seccomp.syscalls[].names", "src/seccomp/outcomes.ts", filters("for names that are no calls are skipped")),
  row("linux.seccomp.syscalls[].action", "src/seccomp/leaves.ts", [
    "test/unit/seccomp/kernel.test.ts",
    "carry out every action",
  ]),
  row("linux.seccomp.syscalls[].errnoRet", "src/seccomp/rules.ts", filters("take errnoRet, or EPERM")),
  row(
    "linux.seccomp.syscalls[].args.**",
    "src/seccomp/rules.ts",
    ["test/unit/seccomp/kernel.test.ts", "compare with %i by every operator"],
    filters("mistakes"),
  ),
  row("linux.rootfsPropagation", "src/plan/compile.ts", mounts("rootfsPropagation ${propagation")),
  row("linux.maskedPaths", "native/init/mask.c", mounts("masked files read as empty")),
  row("linux.readonlyPaths", "src/plan/system.ts", mounts("read-only paths can't be written")),
  row("linux.mountLabel", "src/plan/mounts.ts", system("on a machine without its security module is refused")),
  row("linux.personality", "src/plan/scheduling.ts", system("personality LINUX32: uname says so")),
  row("linux.personality.domain", "src/plan/scheduling.ts", system("personality LINUX32: uname says so")),
  noted(
    "none are defined by the spec; a warning",
    row("linux.personality.flags", "src/spec/rules/personality.ts", rules("intelRdt, memoryPolicy, personality")),
  ),
];
