// Mount options: what each word in `mounts[].options` means. A word not in the table belongs to the file system.
//
// Three places a flag can live, which mount(2) mixes in one argument and the newer interface keeps apart:
//   attributes   of the one mount: nosuid, ro, noatime, ... (MOUNT_ATTR_* for mount_setattr)
//   superblock   of the file system, shared by all its mounts: sync, lazytime, ... (MS_* for mount, words for fsconfig)
//   propagation  a change of its own after the mount is attached
// ro and rw are both: of a bind they restrict the mount, of a new file system they also go to the superblock.

import * as flag from "./mount-flags.ts";

export type MountOption =
  /** Changes attributes of the mount, or of all mounts below it too: the r-forms (config.md#linux-mount-options) */
  | {
      readonly kind: "attribute";
      /** MOUNT_ATTR_* to set */
      readonly set: number;
      /** MOUNT_ATTR_* to clear, done before setting */
      readonly clear: number;
      readonly recursive: boolean;
      /** The same for mount(2) */
      readonly ms: { readonly set: number; readonly clear: number };
    }
  /** Changes a flag of the file system: `word` is its name for fsconfig(2), a missing one has none there */
  | { readonly kind: "superblock"; readonly set: number; readonly clear: number; readonly word?: string }
  | { readonly kind: "propagation" /** MS_SHARED and the like */; readonly type: number; readonly recursive: boolean }
  | { readonly kind: "bind"; readonly recursive: boolean }
  /** `mappings`: what follows idmap=, for spec/idmap-option.ts */
  | { readonly kind: "idmap"; readonly recursive: boolean; readonly mappings?: string }
  | { readonly kind: "remount" | "tmpcopyup" | "copy-symlink" | "src-nofollow" | "dest-nofollow" | "defaults" };

/** Flags of a mount: the word that sets it, the one that clears it, and its two numbers. */
const attributes: readonly (readonly [on: string, off: string, attribute: number, ms: number])[] = [
  ["ro", "rw", flag.MOUNT_ATTR_RDONLY, flag.MS_RDONLY],
  ["nosuid", "suid", flag.MOUNT_ATTR_NOSUID, flag.MS_NOSUID],
  ["nodev", "dev", flag.MOUNT_ATTR_NODEV, flag.MS_NODEV],
  ["noexec", "exec", flag.MOUNT_ATTR_NOEXEC, flag.MS_NOEXEC],
  ["nosymfollow", "symfollow", flag.MOUNT_ATTR_NOSYMFOLLOW, flag.MS_NOSYMFOLLOW],
  ["nodiratime", "diratime", flag.MOUNT_ATTR_NODIRATIME, flag.MS_NODIRATIME],
  ["noatime", "atime", flag.MOUNT_ATTR_NOATIME, flag.MS_NOATIME],
  ["relatime", "norelatime", flag.MOUNT_ATTR_RELATIME, flag.MS_RELATIME],
  ["strictatime", "nostrictatime", flag.MOUNT_ATTR_STRICTATIME, flag.MS_STRICTATIME],
];

/** How access times are kept is one field with three values: changing it clears the field first. */
const accessTimes: ReadonlySet<string> = new Set(["noatime", "relatime", "strictatime"]);

const others: { readonly [word: string]: MountOption } = {
  defaults: { kind: "defaults" },

  sync: { kind: "superblock", set: flag.MS_SYNCHRONOUS, clear: 0, word: "sync" },
  async: { kind: "superblock", set: 0, clear: flag.MS_SYNCHRONOUS, word: "async" },
  dirsync: { kind: "superblock", set: flag.MS_DIRSYNC, clear: 0, word: "dirsync" },
  lazytime: { kind: "superblock", set: flag.MS_LAZYTIME, clear: 0, word: "lazytime" },
  nolazytime: { kind: "superblock", set: 0, clear: flag.MS_LAZYTIME, word: "nolazytime" },
  mand: { kind: "superblock", set: flag.MS_MANDLOCK, clear: 0, word: "mand" },
  nomand: { kind: "superblock", set: 0, clear: flag.MS_MANDLOCK, word: "nomand" },
  iversion: { kind: "superblock", set: flag.MS_I_VERSION, clear: 0, word: "iversion" },
  noiversion: { kind: "superblock", set: 0, clear: flag.MS_I_VERSION, word: "noiversion" },
  silent: { kind: "superblock", set: flag.MS_SILENT, clear: 0 },
  loud: { kind: "superblock", set: 0, clear: flag.MS_SILENT },

  private: { kind: "propagation", type: flag.MS_PRIVATE, recursive: false },
  rprivate: { kind: "propagation", type: flag.MS_PRIVATE, recursive: true },
  shared: { kind: "propagation", type: flag.MS_SHARED, recursive: false },
  rshared: { kind: "propagation", type: flag.MS_SHARED, recursive: true },
  slave: { kind: "propagation", type: flag.MS_SLAVE, recursive: false },
  rslave: { kind: "propagation", type: flag.MS_SLAVE, recursive: true },
  unbindable: { kind: "propagation", type: flag.MS_UNBINDABLE, recursive: false },
  runbindable: { kind: "propagation", type: flag.MS_UNBINDABLE, recursive: true },

  bind: { kind: "bind", recursive: false },
  rbind: { kind: "bind", recursive: true },
  idmap: { kind: "idmap", recursive: false },
  ridmap: { kind: "idmap", recursive: true },
  remount: { kind: "remount" },
  tmpcopyup: { kind: "tmpcopyup" },
  "copy-symlink": { kind: "copy-symlink" },
  "src-nofollow": { kind: "src-nofollow" },
  "dest-nofollow": { kind: "dest-nofollow" },
};

// Made once, so that the heap image of the static binary has it.
const options: ReadonlyMap<string, MountOption> = new Map([
  ...attributes.flatMap((row) => [...words(row, "", false), ...words(row, "r", true)]),
  ...Object.entries(others),
]);

/** What a word of `options` means; undefined for one that goes to the file system. */
export function mountOption(word: string): MountOption | undefined {
  return options.get(word) ?? withMappings(word);
}

/** The one option with a value of its own. */
function withMappings(word: string): MountOption | undefined {
  if (word.startsWith("idmap=")) return { kind: "idmap", recursive: false, mappings: word.slice("idmap=".length) };
  if (word.startsWith("ridmap=")) return { kind: "idmap", recursive: true, mappings: word.slice("ridmap=".length) };
  return undefined;
}

/** All words that mean something to the runtime, for `features`. */
export function mountOptionWords(): string[] {
  return [...options.keys()].sort();
}

/** The word that sets an attribute and the one that clears it. */
function words(
  [on, off, number, ms]: (typeof attributes)[number],
  prefix: string,
  recursive: boolean,
): readonly (readonly [word: string, option: MountOption])[] {
  // "Not this way" leaves the field of access times cleared, which is relatime, the kernel's default.
  const field = accessTimes.has(on) ? flag.MOUNT_ATTR__ATIME : undefined;
  return [
    [prefix + on, { kind: "attribute", set: number, clear: field ?? 0, recursive, ms: { set: ms, clear: 0 } }],
    [prefix + off, { kind: "attribute", set: 0, clear: field ?? number, recursive, ms: { set: 0, clear: ms } }],
  ];
}
