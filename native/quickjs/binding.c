/* The host library in quickjs-ng: a registration table and the conversion of arguments and results, nothing else. */
#include "binding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "memory.h"

/* Arguments nest no deeper than a plan: a list of operations, each a list with lists of strings in it. */
#define MAX_DEPTH 8

/* Integers up to here are numbers in JavaScript; larger ones are BigInts. */
#define MAX_SAFE_INTEGER ((INT64_C(1) << 53) - 1)

/* ---- from JavaScript. All return 0, or -1 with an exception ------------------------------------------------------- */

static int from_number(JSContext *ctx, JSValueConst value, struct hv *ret)
{
	double number;
	if (JS_ToFloat64(ctx, &number, value) < 0)
		return -1;
	bool is_integer = number == trunc(number) && fabs(number) <= (double)MAX_SAFE_INTEGER;
	*ret = is_integer ? hv_int((int64_t)number) : hv_real(number);
	return 0;
}

static int from_bigint(JSContext *ctx, JSValueConst value, struct hv *ret)
{
	int64_t bits; /* of the value modulo 2^64 */
	if (JS_ToBigInt64(ctx, &bits, value) < 0)
		return -1;
	JSValue as_signed = JS_NewBigInt64(ctx, bits);
	JSValue as_unsigned = JS_NewBigUint64(ctx, (uint64_t)bits);
	bool fits = true;
	if (JS_IsStrictEqual(ctx, value, as_signed))
		*ret = hv_int(bits);
	else if (JS_IsStrictEqual(ctx, value, as_unsigned))
		*ret = hv_uint((uint64_t)bits);
	else
		fits = false;
	JS_FreeValue(ctx, as_signed);
	JS_FreeValue(ctx, as_unsigned);
	if (!fits)
		JS_ThrowTypeError(ctx, "an integer has more than 64 bits");
	return fits ? 0 : -1;
}

static int from_string(JSContext *ctx, struct arena *arena, JSValueConst value, struct hv *ret)
{
	size_t length;
	const char *text = JS_ToCStringLen(ctx, &length, value);
	if (!text)
		return -1;
	char *copy = arena_alloc(arena, length + 1);
	if (copy) {
		memcpy(copy, text, length + 1);
		*ret = hv_str_len(copy, length);
	} else {
		JS_ThrowOutOfMemory(ctx);
	}
	JS_FreeCString(ctx, text);
	return copy ? 0 : -1;
}

static int from_value(JSContext *ctx, struct arena *arena, JSValueConst value, int depth, struct hv *ret);

static int from_array(JSContext *ctx, struct arena *arena, JSValueConst value, int depth, struct hv *ret)
{
	int64_t count;
	if (depth == 0) {
		JS_ThrowTypeError(ctx, "a list is nested too deeply");
		return -1;
	}
	if (JS_GetLength(ctx, value, &count) < 0)
		return -1;
	*ret = hv_list(arena, (size_t)count);
	if (count > 0 && !ret->list.items) {
		JS_ThrowOutOfMemory(ctx);
		return -1;
	}
	for (int64_t i = 0; i < count; i++) {
		JSValue item = JS_GetPropertyInt64(ctx, value, i);
		int status = JS_IsException(item) ? -1 : from_value(ctx, arena, item, depth - 1, &ret->list.items[i]);
		/* What a list holds lives on in the list: only the reference is given back. */
		JS_FreeValue(ctx, item);
		if (status < 0)
			return -1;
	}
	return 0;
}

static int from_value(JSContext *ctx, struct arena *arena, JSValueConst value, int depth, struct hv *ret)
{
	if (JS_IsUndefined(value) || JS_IsNull(value)) {
		*ret = hv_none();
		return 0;
	}
	if (JS_IsBool(value)) {
		*ret = hv_bool(JS_ToBool(ctx, value) == 1);
		return 0;
	}
	if (JS_IsNumber(value))
		return from_number(ctx, value, ret);
	if (JS_IsBigInt(value))
		return from_bigint(ctx, value, ret);
	if (JS_IsString(value))
		return from_string(ctx, arena, value, ret);
	if (JS_IsArray(value))
		return from_array(ctx, arena, value, depth, ret);
	if (JS_GetTypedArrayType(value) == JS_TYPED_ARRAY_UINT8) {
		/* Not copied: no JavaScript runs, and so nothing moves or frees it, until the call is over. */
		size_t length;
		const uint8_t *bytes = JS_GetUint8Array(ctx, &length, value);
		*ret = hv_bytes(bytes, bytes ? length : 0);
		return 0;
	}
	JS_ThrowTypeError(ctx, "a value of this type cannot be given to the host");
	return -1;
}

/* ---- to JavaScript ------------------------------------------------------------------------------------------------ */

static JSValue to_integer(JSContext *ctx, const struct hv *value)
{
	if (value->is_unsigned && value->integer < 0)
		return JS_NewBigUint64(ctx, (uint64_t)value->integer);
	if (value->integer > MAX_SAFE_INTEGER || value->integer < -MAX_SAFE_INTEGER)
		return JS_NewBigInt64(ctx, value->integer);
	return JS_NewInt64(ctx, value->integer);
}

static JSValue to_value(JSContext *ctx, const struct hv *value);

static JSValue to_array(JSContext *ctx, const struct hv *value)
{
	JSValue array = JS_NewArray(ctx);
	if (JS_IsException(array))
		return array;
	for (size_t i = 0; i < value->list.count; i++) {
		JSValue item = to_value(ctx, &value->list.items[i]);
		if (JS_IsException(item) || JS_DefinePropertyValueUint32(ctx, array, (uint32_t)i, item, JS_PROP_C_W_E) < 0) {
			JS_FreeValue(ctx, array);
			return JS_EXCEPTION;
		}
	}
	return array;
}

static JSValue to_value(JSContext *ctx, const struct hv *value)
{
	switch (value->kind) {
	case HV_NONE:
		return JS_UNDEFINED;
	case HV_BOOL:
		return JS_NewBool(ctx, value->boolean);
	case HV_INT:
		return to_integer(ctx, value);
	case HV_REAL:
		return JS_NewFloat64(ctx, value->real);
	case HV_STR:
		return JS_NewStringLen(ctx, value->str.ptr, value->str.len);
	case HV_BYTES:
		return JS_NewUint8ArrayCopy(ctx, value->bytes.ptr, value->bytes.len);
	case HV_LIST:
		return to_array(ctx, value);
	}
	return JS_ThrowTypeError(ctx, "the host answered with a value of no known type");
}

/* ---- calls -------------------------------------------------------------------------------------------------------- */

/* Throws new KernelError(call, errno, subject), the class that JavaScript has registered. */
static JSValue throw_failure(JSContext *ctx, const struct host_failure *failure)
{
	if (!JS_IsConstructor(ctx, heap_roots->error_class))
		return JS_ThrowInternalError(ctx, "%s failed before setErrorClass was called", failure->call);
	JSValue arguments[3] = {
		JS_NewString(ctx, failure->call),
		JS_NewInt32(ctx, failure->err),
		JS_NewString(ctx, failure->subject),
	};
	JSValue error = JS_CallConstructor(ctx, heap_roots->error_class, 3, arguments);
	JS_FreeValue(ctx, arguments[0]);
	JS_FreeValue(ctx, arguments[2]);
	return JS_IsException(error) ? error : JS_Throw(ctx, error);
}

static JSValue call_with_arguments(JSContext *ctx, const struct host_function *function, struct host_call *call, int argc,
				   JSValueConst *argv)
{
	call->argc = (size_t)argc;
	call->args = arena_array(&call->arena, call->argc, sizeof(*call->args));
	if (argc > 0 && !call->args)
		return JS_ThrowOutOfMemory(ctx);
	for (int i = 0; i < argc; i++) {
		if (from_value(ctx, &call->arena, argv[i], MAX_DEPTH, &call->args[i]) < 0)
			return JS_EXCEPTION;
	}
	if (function->fn(call) < 0)
		return throw_failure(ctx, &call->failure);
	return to_value(ctx, &call->result);
}

/* Every function of the host is this one; `index` says which. */
static JSValue call_host(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv, int index)
{
	(void)this_value;
	const struct host_function *function = &host_functions[index];
	if (argc < function->min_args || argc > function->max_args)
		return JS_ThrowTypeError(ctx, "%s takes %d to %d arguments, not %d", function->name, function->min_args,
					 function->max_args, argc);
	struct host_call call;
	host_call_begin(&call);
	JSValue result = call_with_arguments(ctx, function, &call, argc, argv);
	host_call_end(&call);
	return result;
}

static JSValue set_error_class(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
	(void)this_value;
	if (argc != 1 || !JS_IsConstructor(ctx, argv[0]))
		return JS_ThrowTypeError(ctx, "setErrorClass takes a class");
	JS_FreeValue(ctx, heap_roots->error_class);
	heap_roots->error_class = JS_DupValue(ctx, argv[0]);
	return JS_UNDEFINED;
}

int binding_install(JSContext *ctx)
{
	/*
	 * The engine makes a function object only when its property is first read, so the list must stay; in the engine's memory,
	 * as it is part of the heap image.
	 */
	JSCFunctionListEntry *list = js_mallocz(ctx, (host_function_count + 1) * sizeof(*list));
	if (!list)
		return -1;
	for (size_t i = 0; i < host_function_count; i++) {
		list[i] = (JSCFunctionListEntry)JS_CFUNC_MAGIC_DEF(host_functions[i].name, host_functions[i].min_args,
								   call_host, (int16_t)i);
	}
	list[host_function_count] = (JSCFunctionListEntry)JS_CFUNC_DEF("setErrorClass", 1, set_error_class);

	heap_roots->error_class = JS_UNDEFINED;
	JSValue host = JS_NewObject(ctx);
	JSValue global = JS_GetGlobalObject(ctx);
	if (JS_IsException(host) || JS_SetPropertyFunctionList(ctx, host, list, (int)host_function_count + 1) < 0 ||
	    JS_SetPropertyStr(ctx, global, "tsruncHost", host) < 0)
		return -1;
	JS_FreeValue(ctx, global);
	return 0;
}
