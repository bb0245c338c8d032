/*
 * The host library as a Node-API addon: a registration table and the conversion of arguments and results, nothing
 * else. The twin of native/quickjs/binding.c. The module's exports are the functions of host.ts and
 * `setErrorClass(KernelError)`.
 */
#define NAPI_VERSION 8
#include <math.h>
#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* Arguments nest no deeper than a plan: a list of operations, each a list with lists of strings in it. */
#define MAX_DEPTH 8

/* Integers up to here are numbers in JavaScript; larger ones are BigInts. */
#define MAX_SAFE_INTEGER ((INT64_C(1) << 53) - 1)

/* The class KernelError of one environment (a worker thread has its own), once JavaScript has registered it. */
struct addon {
	napi_ref error_class;
};

/* Throws a TypeError, unless an exception is already on its way. Always returns -1. */
static int refuse(napi_env env, const char *message)
{
	bool pending;
	if (napi_is_exception_pending(env, &pending) == napi_ok && !pending)
		napi_throw_type_error(env, NULL, message);
	return -1;
}

/* ---- from JavaScript. All return 0, or -1 with an exception ------------------------------------------------------- */

static int from_number(napi_env env, napi_value value, struct hv *ret)
{
	double number;
	if (napi_get_value_double(env, value, &number) != napi_ok)
		return refuse(env, "a number cannot be read");
	bool is_integer = number == trunc(number) && fabs(number) <= (double)MAX_SAFE_INTEGER;
	*ret = is_integer ? hv_int((int64_t)number) : hv_real(number);
	return 0;
}

static int from_bigint(napi_env env, napi_value value, struct hv *ret)
{
	int64_t as_signed;
	uint64_t as_unsigned;
	bool fits;
	if (napi_get_value_bigint_int64(env, value, &as_signed, &fits) == napi_ok && fits)
		*ret = hv_int(as_signed);
	else if (napi_get_value_bigint_uint64(env, value, &as_unsigned, &fits) == napi_ok && fits)
		*ret = hv_uint(as_unsigned);
	else
		return refuse(env, "an integer has more than 64 bits");
	return 0;
}

static int from_string(napi_env env, struct arena *arena, napi_value value, struct hv *ret)
{
	size_t length;
	if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok)
		return refuse(env, "a string cannot be read");
	char *copy = arena_alloc(arena, length + 1);
	if (!copy || napi_get_value_string_utf8(env, value, copy, length + 1, &length) != napi_ok)
		return refuse(env, "a string cannot be copied");
	*ret = hv_str_len(copy, length);
	return 0;
}

static int from_value(napi_env env, struct arena *arena, napi_value value, int depth, struct hv *ret);

static int from_array(napi_env env, struct arena *arena, napi_value value, int depth, struct hv *ret)
{
	uint32_t count;
	if (depth == 0)
		return refuse(env, "a list is nested too deeply");
	if (napi_get_array_length(env, value, &count) != napi_ok)
		return refuse(env, "a list cannot be read");
	*ret = hv_list(arena, count);
	if (count > 0 && !ret->list.items)
		return refuse(env, "a list is too large");
	for (uint32_t i = 0; i < count; i++) {
		/* Without a scope of its own each item would stay referenced until the call returns: many, for a plan. */
		napi_handle_scope scope;
		napi_value item;
		if (napi_open_handle_scope(env, &scope) != napi_ok)
			return refuse(env, "a list cannot be read");
		int status = napi_get_element(env, value, i, &item) == napi_ok
				     ? from_value(env, arena, item, depth - 1, &ret->list.items[i])
				     : refuse(env, "a list cannot be read");
		napi_close_handle_scope(env, scope);
		if (status < 0)
			return -1;
	}
	return 0;
}

static int from_object(napi_env env, struct arena *arena, napi_value value, int depth, struct hv *ret)
{
	bool is;
	if (napi_is_array(env, value, &is) == napi_ok && is)
		return from_array(env, arena, value, depth, ret);
	if (napi_is_typedarray(env, value, &is) == napi_ok && is) {
		/* Not copied: no JavaScript runs, and so nothing moves or frees it, until the call is over. */
		napi_typedarray_type type;
		size_t length;
		void *bytes;
		if (napi_get_typedarray_info(env, value, &type, &length, &bytes, NULL, NULL) == napi_ok &&
		    type == napi_uint8_array) {
			*ret = hv_bytes(bytes, length);
			return 0;
		}
	}
	return refuse(env, "a value of this type cannot be given to the host");
}

static int from_value(napi_env env, struct arena *arena, napi_value value, int depth, struct hv *ret)
{
	napi_valuetype type;
	bool boolean;
	if (napi_typeof(env, value, &type) != napi_ok)
		return refuse(env, "a value cannot be read");
	switch (type) {
	case napi_undefined:
	case napi_null:
		*ret = hv_none();
		return 0;
	case napi_boolean:
		if (napi_get_value_bool(env, value, &boolean) != napi_ok)
			return refuse(env, "a boolean cannot be read");
		*ret = hv_bool(boolean);
		return 0;
	case napi_number:
		return from_number(env, value, ret);
	case napi_bigint:
		return from_bigint(env, value, ret);
	case napi_string:
		return from_string(env, arena, value, ret);
	case napi_object:
		return from_object(env, arena, value, depth, ret);
	case napi_symbol:
	case napi_function:
	case napi_external:
		break;
	}
	return refuse(env, "a value of this type cannot be given to the host");
}

/* ---- to JavaScript. NULL with an exception when there is no memory ------------------------------------------------ */

static napi_value to_value(napi_env env, const struct hv *value);

static napi_status to_integer(napi_env env, const struct hv *value, napi_value *ret)
{
	if (value->is_unsigned && value->integer < 0)
		return napi_create_bigint_uint64(env, (uint64_t)value->integer, ret);
	if (value->integer > MAX_SAFE_INTEGER || value->integer < -MAX_SAFE_INTEGER)
		return napi_create_bigint_int64(env, value->integer, ret);
	return napi_create_int64(env, value->integer, ret);
}

static napi_status to_bytes(napi_env env, const struct hv *value, napi_value *ret)
{
	void *copy;
	napi_value buffer;
	napi_status status = napi_create_arraybuffer(env, value->bytes.len, &copy, &buffer);
	if (status != napi_ok)
		return status;
	if (value->bytes.len > 0)
		memcpy(copy, value->bytes.ptr, value->bytes.len);
	return napi_create_typedarray(env, napi_uint8_array, value->bytes.len, buffer, 0, ret);
}

static napi_status to_array(napi_env env, const struct hv *value, napi_value *ret)
{
	napi_status status = napi_create_array_with_length(env, value->list.count, ret);
	for (size_t i = 0; i < value->list.count && status == napi_ok; i++) {
		napi_value item = to_value(env, &value->list.items[i]);
		status = item ? napi_set_element(env, *ret, (uint32_t)i, item) : napi_generic_failure;
	}
	return status;
}

static napi_value to_value(napi_env env, const struct hv *value)
{
	napi_value result = NULL;
	napi_status status = napi_generic_failure;
	switch (value->kind) {
	case HV_NONE:
		status = napi_get_undefined(env, &result);
		break;
	case HV_BOOL:
		status = napi_get_boolean(env, value->boolean, &result);
		break;
	case HV_INT:
		status = to_integer(env, value, &result);
		break;
	case HV_REAL:
		status = napi_create_double(env, value->real, &result);
		break;
	case HV_STR:
		status = napi_create_string_utf8(env, value->str.ptr, value->str.len, &result);
		break;
	case HV_BYTES:
		status = to_bytes(env, value, &result);
		break;
	case HV_LIST:
		status = to_array(env, value, &result);
		break;
	}
	if (status == napi_ok)
		return result;
	refuse(env, "the host's answer cannot be made into a value");
	return NULL;
}

/* ---- calls -------------------------------------------------------------------------------------------------------- */

/* Throws new KernelError(call, errno, subject). */
static void throw_failure(napi_env env, const struct host_failure *failure)
{
	struct addon *addon;
	napi_value error_class, error, arguments[3];
	if (napi_get_instance_data(env, (void **)&addon) != napi_ok || !addon->error_class) {
		refuse(env, "a host function failed before setErrorClass was called");
		return;
	}
	if (napi_get_reference_value(env, addon->error_class, &error_class) != napi_ok ||
	    napi_create_string_utf8(env, failure->call, NAPI_AUTO_LENGTH, &arguments[0]) != napi_ok ||
	    napi_create_int32(env, failure->err, &arguments[1]) != napi_ok ||
	    napi_create_string_utf8(env, failure->subject, NAPI_AUTO_LENGTH, &arguments[2]) != napi_ok ||
	    napi_new_instance(env, error_class, 3, arguments, &error) != napi_ok || napi_throw(env, error) != napi_ok)
		refuse(env, "a host function failed, and so did making its error");
}

static napi_value call_with_arguments(napi_env env, const struct host_function *function, struct host_call *call,
				      const napi_value *arguments)
{
	call->args = arena_array(&call->arena, call->argc, sizeof(*call->args));
	if (call->argc > 0 && !call->args) {
		refuse(env, "no memory for the arguments");
		return NULL;
	}
	for (size_t i = 0; i < call->argc; i++) {
		if (from_value(env, &call->arena, arguments[i], MAX_DEPTH, &call->args[i]) < 0)
			return NULL;
	}
	if (function->fn(call) < 0) {
		throw_failure(env, &call->failure);
		return NULL;
	}
	return to_value(env, &call->result);
}

/* Every function of the host is this one; its data pointer, in truth an index, says which. */
static napi_value call_host(napi_env env, napi_callback_info info)
{
	void *index;
	napi_value arguments[16];
	size_t count = sizeof(arguments) / sizeof(arguments[0]);
	if (napi_get_cb_info(env, info, &count, arguments, NULL, &index) != napi_ok)
		return NULL;
	const struct host_function *function = &host_functions[(uintptr_t)index];
	if (count < function->min_args || count > function->max_args) {
		char message[128];
		snprintf(message, sizeof(message), "%s takes %d to %d arguments, not %zu", function->name,
			 function->min_args, function->max_args, count);
		refuse(env, message);
		return NULL;
	}
	struct host_call call;
	host_call_begin(&call);
	call.argc = count;
	napi_value result = call_with_arguments(env, function, &call, arguments);
	host_call_end(&call);
	return result;
}

static napi_value set_error_class(napi_env env, napi_callback_info info)
{
	struct addon *addon;
	napi_value error_class;
	size_t count = 1;
	napi_valuetype type;
	if (napi_get_cb_info(env, info, &count, &error_class, NULL, (void **)&addon) != napi_ok || count < 1 ||
	    napi_typeof(env, error_class, &type) != napi_ok || type != napi_function) {
		refuse(env, "setErrorClass takes a class");
		return NULL;
	}
	if (addon->error_class)
		napi_delete_reference(env, addon->error_class);
	if (napi_create_reference(env, error_class, 1, &addon->error_class) != napi_ok)
		refuse(env, "the error class cannot be kept");
	return NULL;
}

static int add_function(napi_env env, napi_value exports, const char *name, napi_callback body, void *data)
{
	napi_value function;
	if (napi_create_function(env, name, NAPI_AUTO_LENGTH, body, data, &function) != napi_ok ||
	    napi_set_named_property(env, exports, name, function) != napi_ok)
		return refuse(env, "the host library cannot be registered");
	return 0;
}

/* What NAPI_MODULE_INIT defines beside the function below; it forgets to declare it. */
NAPI_MODULE_EXPORT int32_t NODE_API_MODULE_GET_API_VERSION(void);

NAPI_MODULE_INIT()
{
	/* One per environment; it lives as long as the process does. */
	struct addon *addon = calloc(1, sizeof(*addon));
	if (!addon || napi_set_instance_data(env, addon, NULL, NULL) != napi_ok) {
		refuse(env, "the host library cannot be loaded");
		return NULL;
	}
	for (size_t i = 0; i < host_function_count; i++) {
		if (add_function(env, exports, host_functions[i].name, call_host, (void *)i) < 0)
			return NULL;
	}
	return add_function(env, exports, "setErrorClass", set_error_class, addon) < 0 ? NULL : exports;
}
