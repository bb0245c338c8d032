// The mappings of `idmap=uids=...;gids=...`, which is crun's way to write a mount's uidMappings and gidMappings as an option:
//
//   idmap=uids=FS-HOST-SIZE[#FS-HOST-SIZE...];gids=...
//
// FS is an id as the file system has it, HOST the one it is shown as on the host; they are the containerID and hostID of the
// spec's mappings. Before a triple, @ makes HOST an id of the container, which its own mappings lead to the host from.

import type { IdMapping } from "./config.ts";

export interface MountMappings {
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
}

/**
 * Reads what stands after `idmap=`.
 *
 * @param container the mappings of the container's user namespace, for @
 * @returns the mappings, or what is wrong with the text
 */
export function readIdmapOption(text: string, container: Partial<MountMappings>): MountMappings | string {
  const read: Partial<Record<"uids" | "gids", readonly IdMapping[]>> = {};
  for (const part of text.split(";")) {
    const [, name, triples = ""] = /^(uids|gids)=(.*)$/.exec(part) ?? [];
    if (name !== "uids" && name !== "gids") return `"${part}" is not uids= or gids= and a list of triples`;
    if (read[name] !== undefined) return `has ${name} twice`;
    const outside = (name === "uids" ? container.uidMappings : container.gidMappings) ?? [];
    const mappings: IdMapping[] = [];
    for (const triple of triples.split("#")) {
      const mapping = readTriple(triple, name, outside);
      if (typeof mapping === "string") return mapping;
      mappings.push(mapping);
    }
    read[name] = mappings;
  }
  const { uids, gids } = read;
  if (uids === undefined || gids === undefined) return "must have both uids and gids";
  return { uidMappings: uids, gidMappings: gids };
}

/** Ids are 32 bits. */
const triple = /^(@?)(\d{1,10})-(\d{1,10})-(\d{1,10})$/;

function readTriple(text: string, list: string, container: readonly IdMapping[]): IdMapping | string {
  const [, relative, ...digits] = triple.exec(text) ?? [];
  const [containerID = -1, id = -1, size = -1] = digits.map(Number);
  if (digits.length === 0) return `"${text}" in ${list} is not FS-HOST-SIZE, three numbers`;
  if (relative === "") return { containerID, hostID: id, size };
  const outer = container.find(({ containerID: first, size: length }) => id >= first && id + size <= first + length);
  if (outer === undefined) return `"${text}" in ${list} is in none of the mappings of the container`;
  return { containerID, hostID: id - outer.containerID + outer.hostID, size };
}
