/* UTF-8: checked strictly where text comes in, repaired where foreign bytes are only shown. */
#ifndef TSRUNC_HOST_TEXT_H
#define TSRUNC_HOST_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Length in bytes of the valid UTF-8 sequence at `at` (1 to 4), or 0: no overlong forms, no surrogates, nothing above
 * U+10FFFF. There are `left` > 0 bytes.
 */
size_t text_sequence(const char *at, size_t left);

/* Whether everything is valid; if not, *bad is the offset of the first byte that isn't. */
bool text_is_utf8(const char *text, size_t len, size_t *bad);

/* Copies with each invalid byte as U+FFFD; stops before a character that no longer fits. Returns the bytes written. */
size_t text_to_utf8(char *to, size_t room, const char *from, size_t len);

#endif
