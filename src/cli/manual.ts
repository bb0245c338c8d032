// What help and man pages say of a command beyond its line and its flags in the table (commands.ts). A test walks the
// table and wants a page for each command.

export interface Page {
  /** Paragraphs */
  readonly text: readonly string[];
  readonly examples: readonly (readonly [line: string, meaning: string])[];
}

const exitOne = "The exit status is 0, or 1 when it failed.";

export const manual: Readonly<Record<string, Page>> = {
  create: {
    text: [
      "Reads config.json of the bundle, checks it and sets the container up to the point where its program would be " +
        "executed. There it waits for `tsrunc start`. Whatever fails on the way is taken back: after a failed create " +
        "there is no process, no cgroup, no state and no pid file.",
      "With process.terminal the master of the terminal is sent to the unix socket of --console-socket.",
      exitOne,
    ],
    examples: [
      ["tsrunc create --bundle /srv/web --pid-file /run/web.pid web", "set up the container web"],
      ["tsrunc --trace - create web", "and show what took how long"],
    ],
  },
  start: {
    text: [
      "Lets a created container execute its program. Returns when the program runs and poststart hooks are done, or " +
        "with the error of a startContainer hook or of the program that can't be executed.",
      exitOne,
    ],
    examples: [["tsrunc start web", "start what create has set up"]],
  },
  run: {
    text: [
      "Create and start in one. In the foreground signals are forwarded to the container, with process.terminal the " +
        "terminals are connected, and at the end the container is deleted, unless --keep is given.",
      "The exit status is that of the program, or 128 and the number of the signal that has killed it; 0 with " +
        "--detach; 1 when the container couldn't be started.",
    ],
    examples: [
      ["tsrunc run --bundle /srv/job job1", "run a job to its end"],
      ["tsrunc run --detach --bundle /srv/web web", "leave it running"],
    ],
  },
  exec: {
    text: [
      "Runs another process in the namespaces and the cgroup of a container, with the identity, limits and seccomp " +
        "profile of its first process, unless flags or --process say otherwise. Everything after the id belongs to " +
        "the command.",
      "The exit status is that of the process, or 128 and the number of the signal that has killed it; 124 when " +
        "--timeout has ended it; 255 when it couldn't be run; 1 for a command line that is wrong.",
    ],
    examples: [
      ["tsrunc exec web ps -ef", "the processes as the container sees them"],
      ["tsrunc exec --tty --user 1000:1000 web sh", "a shell as another user"],
      ["tsrunc exec --timeout 5s web /healthcheck", "a probe that can't hang"],
    ],
  },
  state: {
    text: ["Writes the state of a container to standard output, as the OCI runtime specification has it.", exitOne],
    examples: [["tsrunc state web | jq -r .status", "creating, created, running, paused or stopped"]],
  },
  kill: {
    text: [
      "Sends a signal to the first process of a container, or with --all to every process of its cgroup. The signal " +
        "is a number or a name, with or without SIG.",
      "A signal to a stopped container is an error, but not with --all.",
      exitOne,
    ],
    examples: [
      ["tsrunc kill web", "ask it to end"],
      ["tsrunc kill --all web KILL", "end it with all it has started"],
    ],
  },
  delete: {
    text: [
      "Removes a container that has stopped or was never started: its cgroup, its state, and then its poststop hooks " +
        "are run. With --force it is killed first, whatever state it is in; an id that is unknown is then no error.",
      exitOne,
    ],
    examples: [
      ["tsrunc delete web", "after it has ended"],
      ["tsrunc delete --force web", "kill it and delete it, whatever a crash has left of it"],
    ],
  },
  list: {
    text: [
      "Lists the containers of a root. A container that vanishes meanwhile is left out; one whose state is damaged is " +
        "told on standard error. A root that was given with --root must exist.",
      exitOne,
    ],
    examples: [
      ["tsrunc list", "as a table"],
      ["tsrunc list --format json | jq '.[].id'", "for programs"],
    ],
  },
  pause: {
    text: ["Freezes the cgroup of a container: its processes stay where they are and get no CPU time.", exitOne],
    examples: [["tsrunc pause web", "freeze it"]],
  },
  resume: {
    text: ["Thaws the cgroup of a container that was paused.", exitOne],
    examples: [["tsrunc resume web", "let it go on"]],
  },
  ps: {
    text: [
      "Shows the processes of a container and of its sub-cgroups: the rows of ps(1) of the host that are about them. " +
        "What follows the id is handed to ps; without it, that is -ef. With --format json only the pids are shown.",
      exitOne,
    ],
    examples: [
      ["tsrunc ps web -o pid,rss,args", "with columns of your choice"],
      ["tsrunc ps --format json web", "pids as the host knows them"],
    ],
  },
  events: {
    text: [
      "Writes a JSON object a line: statistics at every interval, and at once when the kernel kills a process for " +
        "memory. Ends when the container stops.",
      exitOne,
    ],
    examples: [
      ["tsrunc events --stats web", "the figures of now"],
      ["tsrunc events --interval 1s web", "follow them"],
    ],
  },
  update: {
    text: [
      "Changes limits of a container: all that are given, or none when one can't be had. What isn't given stays as " +
        "it is.",
      exitOne,
    ],
    examples: [
      ["tsrunc update --memory 512m --pids-limit 100 web", "two limits"],
      ['echo \'{"cpu":{"quota":50000}}\' | tsrunc update --resources - web', "as JSON"],
    ],
  },
  mounts: {
    text: [
      "Adds mounts to a container that is created, running or paused, or removes some. FILE is a JSON array of mounts, as " +
        "config.json has it.",
      "add: bind mounts, whose sources are paths of the host (for root only), and new file systems of the types tmpfs, ramfs, mqueue, devpts " +
        "and hugetlbfs. Either all of them are there afterwards, or none, apart from the directories and files that were made " +
        "for destinations that were missing. Links in a destination are followed below the container's root.",
      "remove: only destinations count. Nothing is removed unless there is a mount on each of them; the last one goes first. " +
        "A destination with a link in it is refused, as the container could have it lead to another mount.",
      "Neither changes what the state says of the container, and a restored or recreated one knows nothing of it.",
      exitOne,
    ],
    examples: [
      [
        'echo \'[{"destination":"/data","source":"/srv/data","options":["bind","ro"]}]\' > m.json; tsrunc mounts add web m.json',
        "a directory of the host, read-only",
      ],
      ["tsrunc mounts remove web m.json", "and take it away again"],
    ],
  },
  spec: {
    text: [
      "Writes config.json for a shell in a read-only root file system, as a beginning for one of your own. A " +
        "config.json that exists is not touched.",
      "With --rootless the container is one that an ordinary user can make: it gets a user namespace in which you " +
        "are root, and nobody else exists. For more users than that, linux.uidMappings and linux.gidMappings take " +
        "the ranges that /etc/subuid and /etc/subgid give you; newuidmap and newgidmap (package uidmap) write them.",
      exitOne,
    ],
    examples: [
      ["mkdir rootfs && tsrunc spec && tsrunc plan", "see what it would do"],
      ["tsrunc spec --rootless && tsrunc run mine", "a container without root"],
    ],
  },
  plan: {
    text: [
      "Reads and checks a bundle as create does and prints every operation that would set the container up, in order, " +
        "each with the place in config.json that it comes from. Nothing is done, so it needs no privileges.",
      exitOne,
    ],
    examples: [["tsrunc plan --bundle /srv/web", "as text, one operation a line"]],
  },
  validate: {
    text: [
      "Checks a bundle against the schema and the rules of the specification and tells everything that is wrong with " +
        "it at once, with line and column. With --host also what it asks for that this machine doesn't have.",
      "The exit status is 1 when there is an error, 0 when there are only warnings.",
    ],
    examples: [["tsrunc validate --host --bundle /srv/web", "before it is deployed here"]],
  },
  features: {
    text: [
      "Writes what this runtime can do as the features document of the OCI runtime specification, whatever the " +
        "machine: for that see `tsrunc doctor`.",
      exitOne,
    ],
    examples: [["tsrunc features | jq .mountOptions", "the mount options it knows"]],
  },
  seccomp: {
    text: [
      "explain tells what a seccomp profile does: of the bundle, of another config.json, or of a profile in a file of " +
        "its own. With --syscall it names the action for one call, with arguments if you like, and the rule that says " +
        "so; with --dump it shows the BPF program.",
      "trace runs a container as `tsrunc run` does, but lets everything pass that the profile would have denied, and " +
        "tells at the end which calls those were. Such a container is not confined by its profile.",
      "The exit status is 0, or 1 when it failed; with trace it is that of the program.",
    ],
    examples: [
      ["tsrunc seccomp explain --syscall keyctl", "is it allowed by the profile of this bundle?"],
      ["tsrunc seccomp trace --bundle /srv/web web", "what would it have been denied?"],
    ],
  },
  checkpoint: {
    text: [
      "Has CRIU write the processes of a container to files, from which `tsrunc restore` makes it again. The container " +
        "is ended by that, unless --leave-running is given. Needs the program criu.",
      exitOne,
    ],
    examples: [["tsrunc checkpoint --image-path /srv/images web", "and its end"]],
  },
  restore: {
    text: [
      "Makes a container of the files of a checkpoint, from the same bundle, with the processes going on where they " +
        "were. In the foreground it behaves as `tsrunc run`.",
      "The exit status is that of the program, or 128 and the number of the signal that has killed it; 0 with " +
        "--detach; 1 when the container couldn't be restored.",
    ],
    examples: [["tsrunc restore --detach --bundle /srv/web --image-path /srv/images web", "go on"]],
  },
  doctor: {
    text: [
      "Looks at the kernel, cgroups, namespaces, security modules and helper programs of this machine, by trying them " +
        "where that does no harm, and shows what containers can use. What is missing comes with what to do about it.",
      "The exit status is 1 when something is missing without which containers don't start, else 0.",
    ],
    examples: [
      ["tsrunc doctor", "as anybody: what that user may do counts"],
      ["tsrunc doctor --json | jq '.checks[] | select(.status != \"ok\")'", "for programs"],
    ],
  },
  gc: {
    text: [
      "Removes from the root what no command will use again: containers of which only the beginning was made, " +
        "containers of an earlier boot, and what an interrupted delete has left. A cgroup is removed when it is the " +
        "one that was recorded, and left alone when that can't be told and it has processes.",
      "Containers that have stopped stay: their owner may want their state. What another command is working on is " +
        "left alone.",
      "The exit status is 1 when something couldn't be removed, else 0.",
    ],
    examples: [
      ["tsrunc gc --dry-run", "only look"],
      ["tsrunc --root /run/containerd/runc/k8s.io gc", "below the root of an engine"],
    ],
  },
  completion: {
    text: ["Writes a script that lets a shell complete commands, flags, values and ids of containers.", exitOne],
    examples: [
      ["source <(tsrunc completion bash)", "in this shell"],
      ["tsrunc completion fish > ~/.config/fish/completions/tsrunc.fish", "for good"],
    ],
  },
};
