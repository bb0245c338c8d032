// state and list: containers as engines read them (runtime-spec runtime.md#state, and runc's additions).

import { isErrno, UserError } from "../errors.ts";
import { log } from "../log.ts";
import { ociVersion } from "../plan/hooks.ts";
import { type Status, statusOf } from "./status.ts";
import { listIds, load, ownerOf, type Store, type StoredContainer } from "./store.ts";

export interface ContainerState {
  readonly ociVersion: string;
  readonly id: string;
  /** 0 when there is no process */
  readonly pid: number;
  readonly status: Status;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner: string;
}

/** The state of one container. */
export function stateOf(store: Store, id: string): ContainerState {
  return describe(store, load(store, id), "");
}

function describe(store: Store, container: StoredContainer, owner: string): ContainerState {
  const status = statusOf(store, container);
  return {
    ociVersion,
    id: container.id,
    pid: status === "stopped" || status === "creating" ? 0 : container.pid,
    status,
    bundle: container.bundle,
    rootfs: container.rootfs,
    created: container.created,
    ...(Object.keys(container.annotations).length > 0 ? { annotations: container.annotations } : {}),
    owner,
  };
}

/**
 * All containers. One that vanishes meanwhile is left out; one whose state can't be read is told to `broken`.
 *
 * @param rootGiven the root was named on the command line: then it must exist
 */
export function listContainers(
  store: Store,
  rootGiven: boolean,
  ownerName: (uid: number) => string,
  broken: (error: Error) => void,
): readonly ContainerState[] {
  const states: ContainerState[] = [];
  for (const id of listIds(store, rootGiven)) {
    try {
      const container = load(store, id);
      states.push(describe(store, container, ownerName(ownerOf(store, id))));
    } catch (error) {
      if (error instanceof UserError && (error.code === "not-found" || error.code === "bad-id")) {
        log.debug(() => `list: ${id} is not one of ours`);
      } else if (error instanceof UserError || isErrno(error)) broken(error);
      else throw error;
    }
  }
  return states;
}
