// What the rules must know besides the document.

export interface Facts {
  /** The runtime's effective user isn't root, not even of a user namespace it was started in */
  readonly rootless: boolean;
  /** --systemd-cgroup: cgroupsPath is slice:prefix:name */
  readonly systemdCgroup: boolean;
  /** Capabilities the runtime may hand on (bit n = capability n); all when absent */
  readonly capabilities?: bigint;
}
