/* From the bytes of a plan back to lists of values: for tests and for showing what is sent. */
#include "host.h"

#include "plan.h"

/* A text or list comes as HV_NONE when there is no memory. */
static struct hv list_u32(struct arena *arena, uint32_t value)
{
	(void)arena;
	return hv_int(value);
}

static struct hv list_u64(struct arena *arena, uint64_t value)
{
	(void)arena;
	return hv_uint(value);
}

static struct hv list_str(struct arena *arena, struct plan_str value)
{
	return hv_str_copy(arena, value.ptr, value.len);
}

static struct hv list_bytes(struct arena *arena, struct plan_bytes value)
{
	(void)arena;
	return hv_bytes(value.ptr, value.len);
}

static struct hv list_strs(struct arena *arena, struct plan_strs value)
{
	struct hv list = hv_list(arena, value.count);

	for (size_t i = 0; i < list.list.count; i++) {
		list.list.items[i] = list_str(arena, plan_strs_next(&value));
		if (list.list.items[i].kind == HV_NONE)
			return hv_none();
	}
	return list.list.items == NULL ? hv_none() : list;
}

static struct hv list_u32s(struct arena *arena, struct plan_u32s value)
{
	struct hv list = hv_list(arena, value.count);

	for (uint32_t i = 0; i < list.list.count; i++)
		list.list.items[i] = hv_int(plan_u32s_get(&value, i));
	return list.list.items == NULL ? hv_none() : list;
}

/* The most fields an operation has, and its number. */
#define MAX_VALUES 16

/* [number, field...]; HV_NONE when there is no memory. */
static struct hv list_op(struct arena *arena, const struct plan_op *op)
{
	struct hv values[MAX_VALUES], list;
	size_t count = 0;

	values[count++] = hv_int((int64_t)op->number);
	switch (op->number) {
#define F(kind, field) values[count++] = list_##kind(arena, FIELDS->field);
#define OP(name, number_, fields) \
	case OP_##name: { \
		const struct op_##name *FIELDS = &op->as.name; \
		(void)FIELDS; \
		fields \
		break; \
	}
#include "plan.def"
#undef OP
#undef F
	}
	list = hv_list(arena, count);
	for (size_t i = 0; i < list.list.count; i++) {
		if (values[i].kind == HV_NONE)
			return hv_none();
		list.list.items[i] = values[i];
	}
	return list.list.items == NULL ? hv_none() : list;
}

/* Every operation fits: the fields are counted at compile time. */
#define F(kind, name) +1
#define OP(name, number, fields) _Static_assert(1 fields <= MAX_VALUES, "fields of " #name);
#include "plan.def"
#undef OP
#undef F

int host_decodePlan(struct host_call *call)
{
	const struct hv *bytes = call->argc > 0 ? call->args : NULL;
	struct plan_op op;
	struct plan plan = {0};
	const char *why;
	int more;

	if (bytes == NULL || bytes->kind != HV_BYTES)
		return host_fail(call, EINVAL, "argument", "bytes: Uint8Array expected");
	/* Looked through before anything is kept: a header may promise more operations than there are. */
	if (plan_check(bytes->bytes.ptr, bytes->bytes.len, &plan, &why) < 0)
		return host_fail(call, EINVAL, "plan", "operation %u: %s", plan.next, why);
	if (plan_open(&plan, bytes->bytes.ptr, bytes->bytes.len, &why) < 0)
		return host_fail(call, EINVAL, "plan", "%s", why);
	call->result = hv_list(&call->arena, plan.ops);
	for (size_t i = 0; i < call->result.list.count && (more = plan_next(&plan, &op, &why)) > 0; i++) {
		call->result.list.items[i] = list_op(&call->arena, &op);
		if (call->result.list.items[i].kind == HV_NONE)
			return host_no_memory(call);
	}
	return call->result.list.items == NULL ? host_no_memory(call) : 0;
}
