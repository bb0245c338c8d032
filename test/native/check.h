/* The little that C test programs need: a check that says where it failed, and calls into the host library. */
#ifndef TSRUNC_TEST_CHECK_H
#define TSRUNC_TEST_CHECK_H

#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition, ...) \
	do { \
		if (!(condition)) { \
			failures++; \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__); \
			fputc('\n', stderr); \
		} \
	} while (0)

/* The end of main. */
static inline int checked(const char *what)
{
	printf("%s: %s\n", what, failures == 0 ? "ok" : "FAILED");
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Calls a function with a fresh call; end it with host_call_end. */
#define CALL(call, name, ...) call_host(call, host_##name, (struct hv[]){__VA_ARGS__}, \
					sizeof((struct hv[]){__VA_ARGS__}) / sizeof(struct hv))

static inline int call_host(struct host_call *call, int (*fn)(struct host_call *), struct hv *args, size_t count)
{
	host_call_begin(call);
	call->args = args;
	call->argc = count;
	return fn(call);
}

#define LIST(...) \
	((struct hv){.kind = HV_LIST, \
		     .list = {(struct hv[]){__VA_ARGS__}, sizeof((struct hv[]){__VA_ARGS__}) / sizeof(struct hv)}})

static inline bool is_text(const struct hv *value, const char *text)
{
	return value->kind == HV_STR && value->str.len == strlen(text) &&
	       memcmp(value->str.ptr, text, value->str.len) == 0;
}

/* What failed, for messages. */
static inline const char *why(const struct host_call *call)
{
	static char text[512];

	snprintf(text, sizeof text, "%s %s: errno %d", call->failure.call, call->failure.subject, call->failure.err);
	return text;
}

/* The call must fail with this errno. */
#define FAILS(error, name, ...) \
	do { \
		struct host_call failing; \
		CHECK(CALL(&failing, name, __VA_ARGS__) < 0 && failing.failure.err == (error), "%s", why(&failing)); \
		host_call_end(&failing); \
	} while (0)

/* How many descriptors this process has open. */
static inline int open_descriptors(void)
{
	struct host_call call;
	int count = -1;

	if (CALL(&call, listDir, hv_str("/proc/self/fd")) == 0)
		count = (int)call.result.list.count;
	host_call_end(&call);
	return count;
}

#endif
