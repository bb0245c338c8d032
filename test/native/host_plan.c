/* Every operation of plan.def, with edge values, through the encoder and back; and what the encoder refuses. */
#include "check.h"

#include "plan.h"

enum kind { u32, u64, str, bytes, strs, u32s };

struct shape {
	const char *name;
	uint32_t number;
	size_t count;
	enum kind kinds[16];
};

static const struct shape shapes[] = {
#define F(kind, name) kind,
#define OP(name, number, fields) {#name, number, sizeof((enum kind[]){u32, fields}) / sizeof(enum kind) - 1, {fields}},
#include "plan.def"
#undef OP
#undef F
};

/* One of a few values of each kind. */
static struct hv value_of(enum kind kind, unsigned variant)
{
	static struct hv texts[] = {
		{.kind = HV_STR, .str = {"", 0}},
		{.kind = HV_STR, .str = {"a/b", 3}},
		{.kind = HV_STR, .str = {"\xc3\xa9", 2}},
	};
	static struct hv numbers[] = {{.kind = HV_INT, .integer = 0}, {.kind = HV_INT, .integer = UINT32_MAX}};
	static const uint64_t wide[] = {0, 1, UINT32_MAX, (uint64_t)UINT32_MAX + 1, INT64_MAX, UINT64_MAX};
	static const uint8_t some[] = {0, 1, 0xff, 0};

	switch (kind) {
	case u32:
		return hv_int(variant % 2 == 0 ? variant : UINT32_MAX - variant);
	case u64:
		return hv_uint(wide[variant % 6]);
	case str:
		return texts[variant % 3];
	case bytes:
		return hv_bytes(some, variant % 5);
	case strs:
		return (struct hv){.kind = HV_LIST, .list = {texts, variant % 4}};
	case u32s:
		return (struct hv){.kind = HV_LIST, .list = {numbers, variant % 3}};
	}
	return hv_none();
}

static bool same(const struct hv *a, const struct hv *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case HV_INT:
		return a->integer == b->integer && a->is_unsigned == b->is_unsigned;
	case HV_STR:
		return a->str.len == b->str.len && memcmp(a->str.ptr, b->str.ptr, a->str.len) == 0;
	case HV_BYTES:
		return a->bytes.len == b->bytes.len && memcmp(a->bytes.ptr, b->bytes.ptr, a->bytes.len) == 0;
	case HV_LIST:
		for (size_t i = 0; i < a->list.count && a->list.count == b->list.count; i++)
			if (!same(&a->list.items[i], &b->list.items[i]))
				return false;
		return a->list.count == b->list.count;
	case HV_NONE:
	case HV_BOOL:
	case HV_REAL:
		break;
	}
	return false;
}

/* All operations with values of this variant, as the argument of encodePlan. */
static struct hv make_plan(struct arena *arena, unsigned variant)
{
	struct hv plan = hv_list(arena, sizeof shapes / sizeof *shapes);

	for (size_t i = 0; i < plan.list.count; i++) {
		struct hv op = hv_list(arena, 1 + shapes[i].count);

		op.list.items[0] = hv_int(shapes[i].number);
		for (size_t f = 0; f < shapes[i].count; f++)
			op.list.items[1 + f] = value_of(shapes[i].kinds[f], variant + (unsigned)f);
		/* slots are checked by the decoder, so they stay small */
		if (shapes[i].number == OP_join || shapes[i].number == OP_wait_start ||
		    shapes[i].number == OP_join_cgroup || shapes[i].number == OP_preserve)
			op.list.items[1] = op.list.items[2] = hv_int(variant);
		plan.list.items[i] = op;
	}
	return plan;
}

static void round_trip(unsigned variant)
{
	struct host_call encode, decode;
	struct arena arena;
	struct hv plan;

	arena_begin(&arena);
	plan = make_plan(&arena, variant);
	CHECK(CALL(&encode, encodePlan, plan) == 0, "%s", why(&encode));
	CHECK(CALL(&decode, decodePlan, encode.result) == 0, "%s", why(&decode));
	for (size_t i = 0; i < plan.list.count && i < decode.result.list.count; i++)
		CHECK(same(&plan.list.items[i], &decode.result.list.items[i]), "variant %u: %s", variant,
		      shapes[i].name);
	CHECK(same(&plan, &decode.result), "variant %u", variant);
	host_call_end(&decode);
	host_call_end(&encode);
	arena_end(&arena);
}

/* Every shorter piece of a plan, and every plan with a byte more, is refused. */
static void refuses_pieces(void)
{
	struct host_call encode, decode;
	struct arena arena;

	arena_begin(&arena);
	CHECK(CALL(&encode, encodePlan, make_plan(&arena, 3)) == 0, "%s", why(&encode));
	for (size_t len = 0; len <= encode.result.bytes.len + 1; len++) {
		uint8_t *piece = calloc(1, len + 1);

		if (len == encode.result.bytes.len || piece == NULL) {
			free(piece);
			continue;
		}
		memcpy(piece, encode.result.bytes.ptr, len < encode.result.bytes.len ? len : encode.result.bytes.len);
		CHECK(CALL(&decode, decodePlan, hv_bytes(piece, len)) < 0, "%zu of %zu bytes accepted", len,
		      encode.result.bytes.len);
		host_call_end(&decode);
		free(piece);
	}
	host_call_end(&encode);
	arena_end(&arena);
}

static void refuses(struct hv op, const char *subject)
{
	struct host_call call;

	CHECK(CALL(&call, encodePlan, LIST(LIST(hv_int(OP_exec)), op)) < 0, "accepted; expected %s", subject);
	CHECK(strcmp(call.failure.subject, subject) == 0 && call.failure.err == EINVAL, "%s\n  expected %s", why(&call),
	      subject);
	host_call_end(&call);
}

static void refuses_wrong_operations(void)
{
	const char *const number = "operation 1 (sync), field point: integer from 0 to 4294967295 expected";

	refuses(hv_int(1), "operation 1: unknown number");
	refuses(LIST(hv_int(0)), "operation 1: unknown number");
	refuses(LIST(hv_int(((int64_t)1 << 32) + OP_sync), hv_int(1)), "operation 1: unknown number");
	refuses(LIST(hv_int(OP_sync)), "operation 1 (sync), field point: a value expected");
	refuses(LIST(hv_int(OP_sync), hv_int(1), hv_int(1)), "operation 1 (sync): more values than fields");
	refuses(LIST(hv_int(OP_sync), hv_int(-1)), number);
	refuses(LIST(hv_int(OP_sync), hv_int((int64_t)UINT32_MAX + 1)), number);
	refuses(LIST(hv_int(OP_sync), hv_str("1")), number);
	refuses(LIST(hv_int(OP_sync), hv_real(1.5)), number);
	refuses(LIST(hv_int(OP_bounding), hv_int(-1)),
		"operation 1 (bounding), field keep: integer from 0 to 18446744073709551615 expected");
	refuses(LIST(hv_int(OP_hostname), hv_int(1)),
		"operation 1 (hostname), field name: string without NUL expected");
	refuses(LIST(hv_int(OP_hostname), hv_str_len("a\0b", 3)),
		"operation 1 (hostname), field name: string without NUL expected");
	refuses(LIST(hv_int(OP_env), LIST(hv_str("A=b"), hv_str_len("\0", 1))),
		"operation 1 (env), field vars: string without NUL expected");
	refuses(LIST(hv_int(OP_groups), LIST(hv_int(-1))),
		"operation 1 (groups), field gids: integer from 0 to 4294967295 expected");
	refuses(LIST(hv_int(OP_groups), hv_int(1)), "operation 1 (groups), field gids: list expected");
}

int main(void)
{
	for (unsigned variant = 0; variant < 60; variant++)
		round_trip(variant);
	refuses_pieces();
	refuses_wrong_operations();
	return checked("plan");
}
