#!/bin/bash
# Runs the command in a guest, where the caller was, and leaves its exit status.
cd "$(cat /lab/directory)" || exit
/bin/bash /lab/command </dev/null >>/lab/stdout 2>>/lab/stderr
echo $? >/lab/status
sync
