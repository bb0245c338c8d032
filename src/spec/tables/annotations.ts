// Annotations that change what the runtime does. Everything else in `annotations` is only kept and handed on.

export const honoured = {
  /** Don't call setgroups(2): the process keeps the caller's supplementary groups (crun's, for podman's keep-groups) */
  keepGroups: "run.oci.keep_original_groups",
  /** Which option of file systems gets linux.mountLabel: context, fscontext, defcontext or rootcontext (crun's) */
  mountContext: "run.oci.mount_context_type",
  /** Followed by a name: a property of the container's unit, with the systemd driver */
  systemdProperty: "org.systemd.property.",
} as const;
