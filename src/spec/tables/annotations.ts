// Annotations that change what the runtime does. Everything else in `annotations` is only kept and handed on.

export const honoured = {
  /** Don't call setgroups(2): the process keeps the caller's supplementary groups (crun's, for podman's keep-groups) */
  keepGroups: "run.oci.keep_original_groups",
} as const;
