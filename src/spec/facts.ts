// What the rules must know besides the document.

export interface Facts {
  /** Not root on the host, or told to act as if */
  readonly rootless: boolean;
  /** --systemd-cgroup: cgroupsPath is slice:prefix:name */
  readonly systemdCgroup: boolean;
  /** Capabilities the runtime may hand on (bit n = capability n); all when absent */
  readonly capabilities?: bigint;
}
