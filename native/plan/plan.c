/* The plan decoder, shared by init and the host library. It reads hostile bytes: every length is checked first. */
#include <string.h>

#include "plan.h"

/* A bounds-checked reader. After a failure `why` is set and every further read fails. */
struct cursor {
	const unsigned char *at;
	const unsigned char *end;
	const char *why;
};

static size_t left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

static int fail(struct cursor *c, const char *why)
{
	c->why = why;
	return -1;
}

static uint32_t load_u32(const unsigned char *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static int read_u32(struct cursor *c, uint32_t *value)
{
	if (left(c) < 4)
		return fail(c, "number beyond the end");
	*value = load_u32(c->at);
	c->at += 4;
	return 0;
}

static int read_u64(struct cursor *c, uint64_t *value)
{
	uint32_t low, high;

	if (read_u32(c, &low) < 0 || read_u32(c, &high) < 0)
		return -1;
	*value = (uint64_t)high << 32 | low;
	return 0;
}

static int read_bytes(struct cursor *c, struct plan_bytes *value)
{
	uint32_t len;

	if (read_u32(c, &len) < 0)
		return -1;
	if (len > left(c))
		return fail(c, "bytes beyond the end");
	*value = (struct plan_bytes){c->at, len};
	c->at += len;
	return 0;
}

static int read_str(struct cursor *c, struct plan_str *value)
{
	uint32_t len;

	if (read_u32(c, &len) < 0)
		return -1;
	if (len >= left(c))
		return fail(c, "text beyond the end");
	/*
	 * the first NUL must be the one after the text: no path means one thing to TypeScript and another to the
	 * kernel
	 */
	if (memchr(c->at, 0, (size_t)len + 1) != c->at + len)
		return fail(c, "text with a NUL inside or none at its end");
	*value = (struct plan_str){(const char *)c->at, len};
	c->at += (size_t)len + 1;
	return 0;
}

static int read_strs(struct cursor *c, struct plan_strs *value)
{
	struct plan_str skipped;
	uint32_t count;

	if (read_u32(c, &count) < 0)
		return -1;
	*value = (struct plan_strs){c->at, count};
	for (uint32_t i = 0; i < count; i++)
		if (read_str(c, &skipped) < 0)
			return -1;
	return 0;
}

static int read_u32s(struct cursor *c, struct plan_u32s *value)
{
	uint32_t count;

	if (read_u32(c, &count) < 0)
		return -1;
	if (count > left(c) / 4)
		return fail(c, "numbers beyond the end");
	*value = (struct plan_u32s){c->at, count};
	c->at += (size_t)count * 4;
	return 0;
}

/* One letter for each kind, so that the fields of an operation are a short text: "lsU". */
#define PLAN_LETTER_u32 "n"
#define PLAN_LETTER_u64 "N"
#define PLAN_LETTER_str "s"
#define PLAN_LETTER_bytes "b"
#define PLAN_LETTER_strs "S"
#define PLAN_LETTER_u32s "U"

static const struct shape {
	uint32_t number;
	const char *fields;
} shapes[] = {
#define OP(name, number, fields) {(number), "" fields},
#define F(kind, name) PLAN_LETTER_##kind
#include "plan.def"
#undef OP
#undef F
};

/* The place of a member in its struct op_*: as the compiler puts it, at the next multiple of its alignment. */
static void *member(unsigned char *base, size_t *offset, size_t size, size_t alignment)
{
	void *place;

	*offset = (*offset + alignment - 1) / alignment * alignment;
	place = base + *offset;
	*offset += size;
	return place;
}

#define MEMBER(type) member(base, &offset, sizeof(type), _Alignof(type))

/* Reads the fields one after the other into the struct of the operation. */
static int read_fields(struct cursor *c, const char *fields, unsigned char *base)
{
	size_t offset = 1; /* after `present` */
	int result = 0;

	for (; *fields != 0 && result == 0; fields++)
		switch (*fields) {
		case 'n':
			result = read_u32(c, MEMBER(uint32_t));
			break;
		case 'N':
			result = read_u64(c, MEMBER(uint64_t));
			break;
		case 's':
			result = read_str(c, MEMBER(struct plan_str));
			break;
		case 'b':
			result = read_bytes(c, MEMBER(struct plan_bytes));
			break;
		case 'S':
			result = read_strs(c, MEMBER(struct plan_strs));
			break;
		default:
			result = read_u32s(c, MEMBER(struct plan_u32s));
			break;
		}
	return result;
}

static int read_op(struct cursor *c, uint32_t number, struct plan_op *op)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].number == number) {
			op->number = (enum op_number)number;
			op->as.any.present = 1;
			return read_fields(c, shapes[i].fields, (unsigned char *)&op->as);
		}
	return fail(c, "unknown operation");
}

int plan_open(struct plan *plan, const void *bytes, size_t size, const char **why)
{
	struct cursor c = {bytes, (const unsigned char *)bytes + size, NULL};
	uint32_t magic, version, total;

	if (size < PLAN_HEADER_BYTES)
		*why = "shorter than a header";
	else if (size > PLAN_MAX_BYTES)
		*why = "larger than a plan may be";
	else {
		*plan = (struct plan){.end = c.end};
		(void)(read_u32(&c, &magic), read_u32(&c, &version), read_u32(&c, &total));
		(void)(read_u32(&c, &plan->ops), read_u32(&c, &plan->slots), read_u32(&c, &plan->flags));
		plan->at = c.at;
		if (magic != PLAN_MAGIC)
			*why = "no plan: wrong magic";
		else if (version != PLAN_VERSION)
			*why = "plan of another version: this init and the runtime don't belong together";
		else if (total != size)
			*why = "size differs from the one in the header";
		else if (plan->ops > PLAN_MAX_OPS)
			*why = "too many operations";
		else if (plan->slots > PLAN_MAX_SLOTS)
			*why = "too many slots";
		else if ((plan->flags & ~PLAN_FLAGS_KNOWN) != 0)
			*why = "unknown flags";
		else
			return 0;
	}
	return -1;
}

int plan_next(struct plan *plan, struct plan_op *op, const char **why)
{
	struct cursor c = {plan->at, plan->end, NULL};
	uint32_t number, size;

	if (plan->next == plan->ops) {
		if (plan->at == plan->end)
			return 0;
		*why = "bytes after the last operation";
		return -1;
	}
	if (read_u32(&c, &number) < 0 || read_u32(&c, &size) < 0) {
		*why = "operation beyond the end";
		return -1;
	}
	if (size > left(&c)) {
		*why = "fields beyond the end";
		return -1;
	}
	c.end = c.at + size;
	if (read_op(&c, number, op) < 0) {
		*why = c.why;
		return -1;
	}
	if (c.at != c.end) {
		*why = "bytes after the last field";
		return -1;
	}
	plan->at = c.at;
	plan->next++;
	return 1;
}

/* Slots are indexes into the descriptors that came along, never raw numbers. */
static int slots_in_range(const struct plan *plan, const struct plan_op *op)
{
	switch ((uint32_t)op->number) {
	case OP_join:
		return op->as.join.slot < plan->slots;
	case OP_wait_start:
		return op->as.wait_start.slot < plan->slots && op->as.wait_start.status_slot < plan->slots;
	case OP_join_cgroup:
		return op->as.join_cgroup.first <= plan->slots &&
		       op->as.join_cgroup.count <= plan->slots - op->as.join_cgroup.first;
	case OP_preserve:
		return op->as.preserve.first <= plan->slots &&
		       op->as.preserve.count <= plan->slots - op->as.preserve.first;
	default:
		return 1;
	}
}

int plan_check(const void *bytes, size_t size, struct plan *plan, const char **why)
{
	struct plan_op op;
	int more;

	if (plan_open(plan, bytes, size, why) < 0)
		return -1;
	while ((more = plan_next(plan, &op, why)) > 0)
		if (!slots_in_range(plan, &op)) {
			plan->next--;
			*why = "slot out of range";
			return -1;
		}
	return more;
}

struct plan_str plan_strs_next(struct plan_strs *list)
{
	struct plan_str text = {(const char *)list->at + 4, load_u32(list->at)};

	list->at += 4 + (size_t)text.len + 1;
	list->count--;
	return text;
}

uint32_t plan_u32s_get(const struct plan_u32s *list, uint32_t i)
{
	return load_u32(list->at + (size_t)i * 4);
}

const char *plan_op_name(uint32_t number)
{
	static const struct {
		uint32_t number;
		const char *name;
	} names[] = {
#define OP(name, number, fields) {(number), #name},
#define F(kind, name)
#include "plan.def"
#undef OP
#undef F
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == number)
			return names[i].name;
	return NULL;
}
