#!/bin/sh
# A runtime that records how it is called: one line per call in $WRAPPER_LOG, each argument in brackets. With
# WRAPPER_CAPTURE=DIR it also copies the bundle's config.json there on create and run. Then it becomes WRAPPER_RUNTIME
# (a command line, split at spaces). The three are written into the copy that engines get, because engines clear
# the environment.
{
	printf '%s:' "$$"
	for arg in "$@"; do printf ' [%s]' "$arg"; done
	echo
} >>"$WRAPPER_LOG"
if [ -n "${WRAPPER_CAPTURE:-}" ]; then
	bundle=
	for arg in "$@"; do
		case $bundle in next) bundle=$arg ;; esac
		case $arg in --bundle) bundle=next ;; esac
	done
	[ -z "$bundle" ] || cp "$bundle/config.json" "$WRAPPER_CAPTURE/$(date +%s%N).json"
fi
exec $WRAPPER_RUNTIME "$@"
