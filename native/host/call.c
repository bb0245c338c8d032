/* A call from JavaScript: its arguments, its failure, and the table of all functions. */
#include "host.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

const struct host_function host_functions[] = {
#define HOST_FUNCTION(name, args) {#name, args, args, host_##name},
#include "functions.def"
#undef HOST_FUNCTION
};

const size_t host_function_count = sizeof host_functions / sizeof *host_functions;

void host_call_begin(struct host_call *call)
{
	call->argc = 0;
	call->args = NULL;
	call->result = hv_none();
	call->failure = (struct host_failure){.call = ""};
	arena_begin(&call->arena);
}

void host_call_end(struct host_call *call)
{
	arena_end(&call->arena);
}

int host_answer_two(struct host_call *call, struct hv first, struct hv second)
{
	struct hv answer = hv_list(&call->arena, 2);

	if (answer.list.items == NULL)
		return host_no_memory(call);
	answer.list.items[0] = first;
	answer.list.items[1] = second;
	call->result = answer;
	return 0;
}

void host_record_failure(struct host_call *call, int err, const char *step, const char *subject, ...)
{
	static const char more[] = "...";
	struct host_failure *failure = &call->failure;
	const size_t room = sizeof failure->subject - 1;
	char text[1024];
	va_list args;
	size_t length, written;
	int printed;

	va_start(args, subject);
	printed = vsnprintf(text, sizeof text, subject, args);
	va_end(args);
	length = printed < 0 ? 0 : (size_t)printed < sizeof text ? (size_t)printed : sizeof text - 1;
	/* Subjects hold paths, so any byte: what goes out is UTF-8, cut between characters. */
	written = text_to_utf8(failure->subject, room, text, length);
	if (length > room) {
		written = text_to_utf8(failure->subject, room - (sizeof more - 1), text, length);
		memcpy(failure->subject + written, more, sizeof more - 1);
		written += sizeof more - 1;
	}
	failure->subject[written] = '\0';
	failure->err = err;
	failure->call = step;
}

/* ---- arguments ------------------------------------------------------------------------------------------------- */

#define bad_argument(call, name, wanted) host_fail(call, EINVAL, "argument", "%s: " wanted " expected", name)

static const struct hv *argument(const struct host_call *call, size_t at, enum hv_kind kind)
{
	return at < call->argc && call->args[at].kind == kind ? &call->args[at] : NULL;
}

int arg_str(struct host_call *call, size_t at, const char *name, const char **ptr, size_t *len)
{
	const struct hv *value = argument(call, at, HV_STR);

	if (value == NULL)
		return bad_argument(call, name, "string");
	*ptr = value->str.ptr;
	*len = value->str.len;
	return 0;
}

int arg_cstr(struct host_call *call, size_t at, const char *name, const char **value)
{
	size_t len;

	if (arg_str(call, at, name, value, &len) < 0)
		return -1;
	if (memchr(*value, '\0', len) != NULL)
		return bad_argument(call, name, "string without NUL");
	return 0;
}

int arg_bytes(struct host_call *call, size_t at, const char *name, const uint8_t **ptr, size_t *len)
{
	const struct hv *value = argument(call, at, HV_BYTES);

	if (value == NULL)
		return bad_argument(call, name, "Uint8Array");
	*ptr = value->bytes.ptr;
	*len = value->bytes.len;
	return 0;
}

int arg_int(struct host_call *call, size_t at, const char *name, int64_t min, int64_t max, int64_t *value)
{
	const struct hv *given = argument(call, at, HV_INT);

	if (given == NULL || given->is_unsigned || given->integer < min || given->integer > max)
		return host_fail(call, EINVAL, "argument", "%s: integer from %" PRId64 " to %" PRId64 " expected", name,
				 min, max);
	*value = given->integer;
	return 0;
}

int arg_u64(struct host_call *call, size_t at, const char *name, uint64_t *value)
{
	const struct hv *given = argument(call, at, HV_INT);

	if (given == NULL || (!given->is_unsigned && given->integer < 0))
		return bad_argument(call, name, "integer from 0 to 18446744073709551615");
	*value = (uint64_t)given->integer;
	return 0;
}

int arg_bool(struct host_call *call, size_t at, const char *name, bool *value)
{
	const struct hv *given = argument(call, at, HV_BOOL);

	if (given == NULL)
		return bad_argument(call, name, "boolean");
	*value = given->boolean;
	return 0;
}

static int arg_small(struct host_call *call, size_t at, const char *name, int min, int *value)
{
	int64_t wide;

	if (arg_int(call, at, name, min, INT32_MAX, &wide) < 0)
		return -1;
	*value = (int)wide;
	return 0;
}

int arg_fd(struct host_call *call, size_t at, const char *name, int *fd)
{
	return arg_small(call, at, name, 0, fd);
}

int arg_fd_or_none(struct host_call *call, size_t at, const char *name, int *fd)
{
	return arg_small(call, at, name, -1, fd);
}

int arg_pid(struct host_call *call, size_t at, const char *name, int *pid)
{
	return arg_small(call, at, name, 1, pid);
}

int arg_list(struct host_call *call, size_t at, const char *name, struct hv **items, size_t *count)
{
	const struct hv *given = argument(call, at, HV_LIST);

	if (given == NULL)
		return bad_argument(call, name, "list");
	*items = given->list.items;
	*count = given->list.count;
	return 0;
}

int arg_vector(struct host_call *call, size_t at, const char *name, char ***vector)
{
	struct hv *items;
	size_t count;

	if (arg_list(call, at, name, &items, &count) < 0)
		return -1;
	*vector = arena_array(&call->arena, count + 1, sizeof **vector);
	if (*vector == NULL)
		return host_no_memory(call);
	for (size_t i = 0; i < count; i++) {
		if (items[i].kind != HV_STR || memchr(items[i].str.ptr, '\0', items[i].str.len) != NULL)
			return bad_argument(call, name, "list of strings without NUL");
		/* execve(2) takes them as char *, but does not write to them */
		(*vector)[i] = (char *)(uintptr_t)items[i].str.ptr;
	}
	(*vector)[count] = NULL;
	return 0;
}
