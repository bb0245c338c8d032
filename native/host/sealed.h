/* Files that exist only as a descriptor and never change again. */
#ifndef TSRUNC_HOST_SEALED_H
#define TSRUNC_HOST_SEALED_H

#include <stddef.h>

/* All return the descriptor, positioned at the start, or -1 with errno and *step naming the failed call. */

/* A sealed memfd with these bytes. */
int sealed_data(const char *name, const void *bytes, size_t len, const char **step);

/*
 * A program to be run by execveat(2): a sealed memfd, or, where vm.memfd_noexec forbids that, an unlinked file that
 * nobody has open for writing.
 */
int sealed_program(const char *name, const void *bytes, size_t len, const char **step);

#endif
