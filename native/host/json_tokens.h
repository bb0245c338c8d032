/* The smallest parts of a JSON text. All functions return 0, or -1 after json_wrong. */
#ifndef TSRUNC_HOST_JSON_TOKENS_H
#define TSRUNC_HOST_JSON_TOKENS_H

#include "host.h"
#include "json_keys.h"

/* Where a scan is, and after a failure what is wrong. */
struct json_cursor {
	const char *at, *end;
	const char *wrong_at;
	char wrong[128];
};

/* Notes what is wrong and where; is -1. */
int json_wrong(struct json_cursor *c, const char *at, const char *what, ...) __attribute__((format(printf, 3, 4)));

/*
 * At an opening quote: passes the string; *text is what is between the quotes, as written. Refuses NUL, control
 * characters and lone surrogates.
 */
int json_string(struct json_cursor *c, struct json_key *text);

/* At a digit or a minus: passes the number. *keeps: it is written as an integer, and a JavaScript number is exact. */
int json_number(struct json_cursor *c, bool *keeps);

#endif
