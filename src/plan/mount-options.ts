// mounts[].options in one pass: what changes the mount, what the file system, and what belongs to the file system alone.

import { MOUNT_ATTR__ATIME, MS_REC } from "../spec/tables/mount-flags.ts";
import { mountOption } from "../spec/tables/mount-options.ts";

/** MOUNT_ATTR_* to set and to clear. */
export interface AttributeChange {
  set: number;
  clear: number;
}

export interface ParsedOptions {
  /** undefined: a new file system is mounted */
  bind: "one" | "tree" | undefined;
  readonly attributes: AttributeChange;
  readonly recursive: AttributeChange;
  /** MS_* changes of propagation, in order */
  readonly propagation: number[];
  /** Words for fsconfig: flags of the file system and everything that isn't in the table, in order */
  readonly data: string[];
  /** Those of `data` that only the file system knows */
  readonly unknown: string[];
  idmap: "one" | "tree" | undefined;
  /** What follows idmap= */
  mappings: string | undefined;
  copyUp: boolean;
  copySymlink: boolean;
  remount: boolean;
  sourceNofollow: boolean;
  destinationNofollow: boolean;
}

// Of a thousand mounts most have the same options.
const seen = new Map<string, ParsedOptions>();

/** Parses the list; a later word wins over an earlier one. The same words give the same object: it is not to be changed. */
export function parseMountOptions(words: readonly string[]): ParsedOptions {
  const key = words.join("\0");
  let parsed = seen.get(key);
  if (parsed === undefined) {
    parsed = parse(words);
    seen.set(key, parsed);
  }
  return parsed;
}

function parse(words: readonly string[]): ParsedOptions {
  const parsed: ParsedOptions = {
    bind: undefined,
    attributes: { set: 0, clear: 0 },
    recursive: { set: 0, clear: 0 },
    propagation: [],
    data: [],
    unknown: [],
    idmap: undefined,
    mappings: undefined,
    copyUp: false,
    copySymlink: false,
    remount: false,
    sourceNofollow: false,
    destinationNofollow: false,
  };
  for (const word of words) apply(parsed, word);
  return parsed;
}

function apply(parsed: ParsedOptions, word: string): void {
  const option = mountOption(word);
  if (option === undefined) {
    parsed.data.push(word);
    parsed.unknown.push(word);
    return;
  }
  switch (option.kind) {
    case "attribute":
      change(option.recursive ? parsed.recursive : parsed.attributes, option.set, option.clear);
      break;
    case "superblock":
      if (option.word !== undefined) parsed.data.push(option.word);
      break;
    case "propagation":
      parsed.propagation.push(option.type | (option.recursive ? MS_REC : 0));
      break;
    case "bind":
      parsed.bind = option.recursive ? "tree" : (parsed.bind ?? "one");
      break;
    case "idmap":
      parsed.idmap = option.recursive ? "tree" : (parsed.idmap ?? "one");
      parsed.mappings = option.mappings ?? parsed.mappings;
      break;
    case "tmpcopyup":
      parsed.copyUp = true;
      break;
    case "copy-symlink":
      parsed.copySymlink = true;
      break;
    case "remount":
      parsed.remount = true;
      break;
    case "src-nofollow":
      parsed.sourceNofollow = true;
      break;
    case "dest-nofollow":
      parsed.destinationNofollow = true;
      break;
    case "defaults":
      break;
  }
}

/** The kernel wants the whole access-time field cleared whenever one of its values is set. */
function change(attributes: AttributeChange, set: number, clear: number): void {
  attributes.set = (attributes.set & ~clear) | set;
  attributes.clear = (attributes.clear & ~(set & ~MOUNT_ATTR__ATIME)) | clear;
}
