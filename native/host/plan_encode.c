/* Writes a plan in the form that native/include/plan.h describes; which fields an operation has comes from plan.def. */
#include "plan_encode.h"

#include <string.h>

#include "plan.h"

/* ---- the shapes of operations ------------------------------------------------------------------------------------ */

enum field_kind { FIELD_END, FIELD_u32, FIELD_u64, FIELD_str, FIELD_bytes, FIELD_strs, FIELD_u32s };

struct field {
	enum field_kind kind;
	const char *name;
};

#define F(kind, name) {FIELD_##kind, #name},
#define OP(name, number, fields) static const struct field fields_of_##name[] = {fields{FIELD_END, NULL}};
#include "plan.def"
#undef OP
#undef F

static const struct field *fields_of(int64_t number)
{
	switch (number) {
#define OP(name, number, fields) \
	case (number): \
		return fields_of_##name;
#define F(kind, name)
#include "plan.def"
#undef OP
#undef F
	default:
		return NULL;
	}
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

struct writer {
	struct host_call *call;
	unsigned char *bytes;
	size_t length, room;
	/* for failures */
	size_t op;
	const char *op_name, *field_name;
	/* how many slots the operations name; where the range begins whose count comes next */
	uint64_t slots, first;
};

static int bad_field(struct writer *w, const char *expected)
{
	return host_fail(w->call, EINVAL, "plan", "operation %zu (%s), field %s: %s expected", w->op, w->op_name,
			 w->field_name, expected);
}

/* Room for `size` more bytes, or NULL with a failure. */
static unsigned char *more(struct writer *w, size_t size)
{
	unsigned char *at;

	if (size > PLAN_MAX_BYTES - w->length) {
		host_record_failure(w->call, E2BIG, "plan", "more than %u bytes", PLAN_MAX_BYTES);
		return NULL;
	}
	if (size > w->room - w->length) {
		size_t room = w->room * 2 > w->length + size ? w->room * 2 : w->length + size;

		at = arena_alloc(&w->call->arena, room);
		if (at == NULL) {
			host_record_failure(w->call, ENOMEM, "malloc", "%s", "plan");
			return NULL;
		}
		memcpy(at, w->bytes, w->length);
		w->bytes = at;
		w->room = room;
	}
	at = w->bytes + w->length;
	w->length += size;
	return at;
}

static void store_u32(unsigned char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static int put_u32(struct writer *w, uint32_t value)
{
	unsigned char *at = more(w, 4);

	if (at == NULL)
		return -1;
	store_u32(at, value);
	return 0;
}

static int put_bytes(struct writer *w, const void *ptr, size_t len, bool with_nul)
{
	unsigned char *at;

	if (len > PLAN_MAX_BYTES)
		len = PLAN_MAX_BYTES; /* which `more` refuses */
	if (put_u32(w, (uint32_t)len) < 0 || (at = more(w, len + with_nul)) == NULL)
		return -1;
	if (len > 0)
		memcpy(at, ptr, len);
	if (with_nul)
		at[len] = '\0';
	return 0;
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

static int put_number(struct writer *w, const struct hv *value, uint64_t max, size_t size)
{
	uint64_t number = (uint64_t)value->integer;
	unsigned char *at;

	if (value->kind != HV_INT || (!value->is_unsigned && value->integer < 0) || number > max)
		return bad_field(w, max == UINT32_MAX ? "integer from 0 to 4294967295"
						      : "integer from 0 to 18446744073709551615");
	at = more(w, size);
	if (at == NULL)
		return -1;
	store_u32(at, (uint32_t)number);
	if (size == 8)
		store_u32(at + 4, (uint32_t)(number >> 32));
	return 0;
}

/* Whichever operation it is: fields of these names are slots. */
static void note_slot(struct writer *w, uint64_t value)
{
	uint64_t named = 0;

	if (strcmp(w->field_name, "slot") == 0 || strcmp(w->field_name, "status_slot") == 0)
		named = value + 1;
	else if (strcmp(w->field_name, "first") == 0)
		w->first = value;
	else if (strcmp(w->field_name, "count") == 0)
		named = w->first + value;
	if (named > w->slots)
		w->slots = named;
}

static int put_str(struct writer *w, const struct hv *value)
{
	if (value->kind != HV_STR || memchr(value->str.ptr, '\0', value->str.len) != NULL)
		return bad_field(w, "string without NUL");
	return put_bytes(w, value->str.ptr, value->str.len, true);
}

/* A list of strings, or of numbers. */
static int put_list(struct writer *w, const struct hv *value, bool strings)
{
	if (value->kind != HV_LIST || value->list.count > UINT32_MAX)
		return bad_field(w, "list");
	if (put_u32(w, (uint32_t)value->list.count) < 0)
		return -1;
	for (size_t i = 0; i < value->list.count; i++) {
		const struct hv *item = &value->list.items[i];

		if ((strings ? put_str(w, item) : put_number(w, item, UINT32_MAX, 4)) < 0)
			return -1;
	}
	return 0;
}

static int put_field(struct writer *w, enum field_kind kind, const struct hv *value)
{
	switch (kind) {
	case FIELD_u32:
		if (put_number(w, value, UINT32_MAX, 4) < 0)
			return -1;
		note_slot(w, (uint64_t)value->integer);
		return 0;
	case FIELD_u64:
		return put_number(w, value, UINT64_MAX, 8);
	case FIELD_str:
		return put_str(w, value);
	case FIELD_bytes:
		if (value->kind != HV_BYTES)
			return bad_field(w, "bytes");
		return put_bytes(w, value->bytes.ptr, value->bytes.len, false);
	case FIELD_strs:
		return put_list(w, value, true);
	case FIELD_u32s:
		return put_list(w, value, false);
	case FIELD_END:
		break;
	}
	return 0;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static int put_op(struct writer *w, const struct hv *op)
{
	const struct field *fields;
	const struct hv *values;
	size_t header = w->length, given;

	if (op->kind != HV_LIST || op->list.count == 0 || op->list.items[0].kind != HV_INT ||
	    (fields = fields_of(op->list.items[0].integer)) == NULL)
		return host_fail(w->call, EINVAL, "plan", "operation %zu: unknown number", w->op);
	values = op->list.items + 1;
	given = op->list.count - 1;
	w->op_name = plan_op_name((uint32_t)op->list.items[0].integer);
	if (more(w, PLAN_OP_HEADER_BYTES) == NULL)
		return -1;
	for (; fields->kind != FIELD_END; fields++, values++, given--) {
		w->field_name = fields->name;
		if (given == 0)
			return bad_field(w, "a value");
		if (put_field(w, fields->kind, values) < 0)
			return -1;
	}
	if (given != 0)
		return host_fail(w->call, EINVAL, "plan", "operation %zu (%s): more values than fields", w->op,
				 w->op_name);
	store_u32(w->bytes + header, (uint32_t)op->list.items[0].integer);
	store_u32(w->bytes + header + 4, (uint32_t)(w->length - header - PLAN_OP_HEADER_BYTES));
	return 0;
}

/* Where the counts are in the header. */
#define HEADER_TOTAL 8
#define HEADER_SLOTS 16

int plan_encode(struct host_call *call, const struct hv *ops, size_t count, uint32_t slots, uint32_t flags,
		struct hv *bytes)
{
	struct writer w = {.call = call, .room = 16384};

	if (count > PLAN_MAX_OPS)
		return host_fail(call, E2BIG, "plan", "more than %u operations", PLAN_MAX_OPS);
	w.bytes = arena_alloc(&call->arena, w.room);
	if (w.bytes == NULL)
		return host_no_memory(call);
	/* total and slots are filled in at the end */
	if (put_u32(&w, PLAN_MAGIC) < 0 || put_u32(&w, PLAN_VERSION) < 0 || put_u32(&w, 0) < 0 ||
	    put_u32(&w, (uint32_t)count) < 0 || put_u32(&w, 0) < 0 || put_u32(&w, flags) < 0)
		return -1;
	for (w.op = 0; w.op < count; w.op++)
		if (put_op(&w, &ops[w.op]) < 0)
			return -1;
	if (slots == PLAN_SLOTS_NAMED)
		slots = w.slots > PLAN_MAX_SLOTS ? PLAN_MAX_SLOTS : (uint32_t)w.slots;
	store_u32(w.bytes + HEADER_TOTAL, (uint32_t)w.length);
	store_u32(w.bytes + HEADER_SLOTS, slots);
	*bytes = hv_bytes(w.bytes, w.length);
	return 0;
}

int host_encodePlan(struct host_call *call)
{
	struct hv *ops;
	size_t count;

	if (arg_list(call, 0, "plan", &ops, &count) < 0)
		return -1;
	/* there are no descriptors to count: as many as the plan asks for */
	return plan_encode(call, ops, count, PLAN_SLOTS_NAMED, 0, &call->result);
}
