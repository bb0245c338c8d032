/*
 * The runtime-side library: everything src/host/host.ts promises, in C, without knowing a JavaScript engine.
 *
 * A binding (native/node, native/quickjs) walks host_functions, and for each call
 *
 *   struct host_call call;
 *   host_call_begin(&call);
 *   call.args = ...;  call.argc = ...;         // values, made in &call.arena with the hv_* makers
 *   if (function->fn(&call) < 0)
 *           throw new KernelError(call.failure.call, call.failure.err, call.failure.subject);
 *   else
 *           return call.result as a JavaScript value;
 *   host_call_end(&call);                      // frees everything of the call at once
 *
 * Every function returns 0 or -1; on -1 it has filled call.failure. Nothing here prints, nothing raises SIGPIPE, every
 * descriptor is close-on-exec from birth. Nothing outlives a call but the signal state (signals.c).
 */
#ifndef TSRUNC_HOST_H
#define TSRUNC_HOST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* this is the first header of every file here */
#endif

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- memory of one call -------------------------------------------------------------------------------------- */

struct arena_block;

/* Bump allocation: small things (a short file, too) come from `first`, others from blocks; all are freed together. */
struct arena {
	struct arena_block *blocks;
	char *next, *end;
	_Alignas(16) char first[8192];
};

void arena_begin(struct arena *arena);
void arena_end(struct arena *arena);
/* Aligned to 16 bytes, not cleared. NULL when there is no memory. */
void *arena_alloc(struct arena *arena, size_t size);
/* Room for count items of size bytes, with the multiplication checked. */
void *arena_array(struct arena *arena, size_t count, size_t size);

/* ---- values ---------------------------------------------------------------------------------------------------- */

enum hv_kind {
	HV_NONE,  /* undefined (a binding also makes it of null) */
	HV_BOOL,  /* boolean */
	HV_INT,   /* integer: a number; a bigint where it exceeds 2^53 - 1. Fractions, NaN, Infinity are no integers */
	HV_REAL,  /* always a number: in results a time, which may exceed 2^53; in arguments what is no integer */
	HV_STR,   /* string as UTF-8. One more byte, NUL, stands behind it; there may be NULs inside */
	HV_BYTES, /* Uint8Array */
	HV_LIST,  /* array; also the answer for a tuple */
};

struct hv {
	enum hv_kind kind;
	bool is_unsigned; /* HV_INT: `integer` is to be read as uint64_t (a value above INT64_MAX) */
	union {
		bool boolean;
		int64_t integer;
		double real;
		struct {
			const char *ptr; /* HV_STR */
			size_t len;
		} str;
		struct {
			const uint8_t *ptr; /* HV_BYTES */
			size_t len;
		} bytes;
		struct {
			struct hv *items; /* HV_LIST */
			size_t count;
		} list;
	};
};

struct hv hv_none(void);
struct hv hv_bool(bool value);
struct hv hv_int(int64_t value);
struct hv hv_uint(uint64_t value);
struct hv hv_real(double value);
/* These two refer to memory that must live as long as the call: of the arena, or static. */
struct hv hv_str(const char *nul_terminated);
struct hv hv_str_len(const char *ptr, size_t len);
struct hv hv_bytes(const uint8_t *ptr, size_t len);
/* Copies into the arena; invalid UTF-8 becomes U+FFFD. HV_NONE with errno ENOMEM when there is no memory. */
struct hv hv_str_copy(struct arena *arena, const char *ptr, size_t len);
/* A list of `count` HV_NONE items to be filled in. items is NULL when there is no memory. */
struct hv hv_list(struct arena *arena, size_t count);

/* ---- calls ------------------------------------------------------------------------------------------------------- */

/* What KernelError is made of. */
struct host_failure {
	int err;          /* errno */
	const char *call; /* system call or step: static text */
	char subject[256]; /* on what; UTF-8 */
};

struct host_call {
	size_t argc;
	struct hv *args;
	struct hv result; /* HV_NONE unless set */
	struct host_failure failure;
	struct arena arena;
};

void host_call_begin(struct host_call *call);
void host_call_end(struct host_call *call);

struct host_function {
	const char *name; /* as in host.ts */
	uint8_t min_args, max_args;
	int (*fn)(struct host_call *call);
};

extern const struct host_function host_functions[];
extern const size_t host_function_count;

/* For the binding that is a program: what `args` returns (argv + 1). The addon leaves it out. */
void host_set_arguments(int count, char **arguments);

/* The init program, put there by the build. */
extern const unsigned char tsrunc_init_start[], tsrunc_init_end[];

/* ---- inside the library ------------------------------------------------------------------------------------------ */

/*
 * host_fail(call, err, step, subject format, ...) records a failure and is -1. The subject is cut at 255 bytes.
 * A macro, so that the compiler sees the -1 and knows which paths go on.
 */
#define host_fail(...) (host_record_failure(__VA_ARGS__), -1)
void host_record_failure(struct host_call *call, int err, const char *step, const char *subject, ...)
	__attribute__((format(printf, 4, 5)));
/* The same for want of memory. */
#define host_no_memory(call) host_fail(call, ENOMEM, "malloc", "%s", "")

/* Makes a list of two the call's answer. Returns 0, or -1 with the failure recorded. */
int host_answer_two(struct host_call *call, struct hv first, struct hv second);

/*
 * Argument number `at` as the type wanted, else -1 with EINVAL and `name` in the subject. `name` is what host.ts
 * calls it.
 */
int arg_str(struct host_call *call, size_t at, const char *name, const char **ptr, size_t *len);
/* A string without a NUL inside, for a path or another C string. */
int arg_cstr(struct host_call *call, size_t at, const char *name, const char **value);
int arg_bytes(struct host_call *call, size_t at, const char *name, const uint8_t **ptr, size_t *len);
int arg_int(struct host_call *call, size_t at, const char *name, int64_t min, int64_t max, int64_t *value);
int arg_u64(struct host_call *call, size_t at, const char *name, uint64_t *value);
int arg_bool(struct host_call *call, size_t at, const char *name, bool *value);
/* A descriptor number: >= 0. */
int arg_fd(struct host_call *call, size_t at, const char *name, int *fd);
/* A descriptor number, or -1 for none. */
int arg_fd_or_none(struct host_call *call, size_t at, const char *name, int *fd);
/* A pid: > 0. */
int arg_pid(struct host_call *call, size_t at, const char *name, int *pid);
int arg_list(struct host_call *call, size_t at, const char *name, struct hv **items, size_t *count);
/* A list of strings as a NULL-terminated vector for execve(2); a NUL inside one is EINVAL. */
int arg_vector(struct host_call *call, size_t at, const char *name, char ***vector);

/* The declarations of all functions: host_checkJson, host_readText, ... */
#define HOST_FUNCTION(name, args) int host_##name(struct host_call *call);
#include "functions.def"
#undef HOST_FUNCTION

#endif
