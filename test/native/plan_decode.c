/* The plan decoder (native/plan): fields arrive where the structs have them, and broken bytes are refused (V15). */
#include "check.h"

#include <sys/mman.h>

#include "plan.h"

/* Bytes of a plan, built by hand so that they can be wrong. */
struct bytes {
	unsigned char at[4096];
	size_t len;
};

static void put(struct bytes *b, const void *from, size_t len)
{
	memcpy(b->at + b->len, from, len);
	b->len += len;
}

static void put_u32(struct bytes *b, uint32_t value)
{
	for (int i = 0; i < 4; i++) {
		const unsigned char byte = (unsigned char)(value >> (8 * i));

		put(b, &byte, 1);
	}
}

static void put_text(struct bytes *b, const char *text)
{
	put_u32(b, (uint32_t)strlen(text));
	put(b, text, strlen(text) + 1);
}

static void begin(struct bytes *b, uint32_t ops, uint32_t slots)
{
	b->len = 0;
	for (int i = 0; i < 6; i++)
		put_u32(b, (const uint32_t[6]){PLAN_MAGIC, PLAN_VERSION, 0, ops, slots, 0}[i]);
}

/* Writes the total into the header and checks a copy that ends at the end of a page: nothing may be read beyond. */
static int check(struct bytes *b, const char **why)
{
	static unsigned char *pages;
	struct plan plan;

	if (pages == NULL) {
		pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(pages + 2 * 4096, 4096, PROT_NONE);
	}
	for (int i = 0; i < 4; i++)
		b->at[8 + i] = (unsigned char)(b->len >> (8 * i));
	*why = "";
	memcpy(pages + 2 * 4096 - b->len, b->at, b->len);
	return plan_check(pages + 2 * 4096 - b->len, b->len, &plan, why);
}

static void expect(struct bytes *b, const char *fault)
{
	const char *found;

	CHECK(check(b, &found) == (fault == NULL ? 0 : -1), "%s", found);
	CHECK(strcmp(found, fault == NULL ? "" : fault) == 0, "%s, not %s", found, fault);
}

/* Every kind of field, read back through the struct that C code uses. */
static void test_fields(void)
{
	struct bytes b;
	struct plan plan;
	struct plan_op op;
	struct plan_str text;
	const char *why;

	begin(&b, 2, 0);
	put_u32(&b, OP_mount);
	put_u32(&b, 0);
	put_text(&b, "tmpfs");
	put_text(&b, "");
	put_u32(&b, 2);
	put_text(&b, "mode=755");
	put_text(&b, "size=64k");
	for (uint32_t i = 0; i < 3; i++) {
		put_u32(&b, 0x10 + i);
		put_u32(&b, 0x80000000u + i);
	}
	put_u32(&b, 2);
	put_u32(&b, 7);
	put_u32(&b, 0xffffffffu);
	put_text(&b, "/dev");
	put_u32(&b, 9);
	b.at[PLAN_HEADER_BYTES + 4] = (unsigned char)(b.len - PLAN_HEADER_BYTES - PLAN_OP_HEADER_BYTES);
	put_u32(&b, OP_exec);
	put_u32(&b, 0);
	expect(&b, NULL);
	CHECK(plan_open(&plan, b.at, b.len, &why) == 0 && plan_next(&plan, &op, &why) == 1, "%s", why);
	CHECK(op.number == OP_mount && strcmp(op.as.mount.type.ptr, "tmpfs") == 0, "text");
	CHECK(op.as.mount.source.len == 0 && op.as.mount.source.ptr[0] == 0, "empty text");
	CHECK(op.as.mount.attr == 0x8000000000000010u && op.as.mount.recursive_clear == 0x8000000200000012u, "u64");
	CHECK(op.as.mount.flags == 9 && strcmp(op.as.mount.path.ptr, "/dev") == 0, "after lists");
	CHECK(op.as.mount.propagation.count == 2 && plan_u32s_get(&op.as.mount.propagation, 1) == 0xffffffffu, "u32s");
	text = plan_strs_next(&op.as.mount.options);
	CHECK(strcmp(text.ptr, "mode=755") == 0, "%s", text.ptr);
	text = plan_strs_next(&op.as.mount.options);
	CHECK(strcmp(text.ptr, "size=64k") == 0 && op.as.mount.options.count == 0, "%s", text.ptr);
	CHECK(plan_next(&plan, &op, &why) == 1 && op.number == OP_exec && plan_next(&plan, &op, &why) == 0, "end");
}

/* The decoder computes where members are; the compiler must come to the same size, for every operation. */
static void test_layout(void)
{
	size_t offset;

#define F(kind, name) \
	offset = (offset + _Alignof(PLAN_TYPE_##kind) - 1) / _Alignof(PLAN_TYPE_##kind) * _Alignof(PLAN_TYPE_##kind); \
	offset += sizeof(PLAN_TYPE_##kind); \
	most = _Alignof(PLAN_TYPE_##kind) > most ? _Alignof(PLAN_TYPE_##kind) : most;
#define OP(op_name, number, fields) \
	{ \
		size_t most = 1; \
		offset = 1; \
		fields \
		CHECK((offset + most - 1) / most * most == sizeof(struct op_##op_name), "%s", #op_name); \
	}
#include "plan.def"
#undef OP
#undef F
}

static void test_header(void)
{
	struct bytes b;
	struct plan plan;
	const char *why;

	begin(&b, 0, 0);
	expect(&b, NULL);
	b.at[0] ^= 1;
	expect(&b, "no plan: wrong magic");
	begin(&b, 0, 0);
	b.at[4]++;
	expect(&b, "plan of another version: this init and the runtime don't belong together");
	begin(&b, 0, 0);
	b.at[23] = 1;
	expect(&b, "unknown flags");
	begin(&b, 0, PLAN_MAX_SLOTS + 1);
	expect(&b, "too many slots");
	begin(&b, PLAN_MAX_OPS + 1, 0);
	expect(&b, "too many operations");
	begin(&b, 1, 0);
	expect(&b, "operation beyond the end");
	begin(&b, 0, 0);
	put_u32(&b, OP_exec);
	expect(&b, "bytes after the last operation");
	CHECK(plan_open(&plan, b.at, PLAN_HEADER_BYTES - 1, &why) < 0, "part of a header");
	CHECK(strcmp(why, "shorter than a header") == 0, "%s", why);
	CHECK(plan_open(&plan, b.at, b.len - 1, &why) < 0, "a byte less");
	CHECK(strcmp(why, "size differs from the one in the header") == 0, "%s", why);
}

/* One operation with one text of a pretended length. */
static void put_masks(struct bytes *b, uint32_t size, uint32_t pretended, const char *text, size_t len)
{
	begin(b, 1, 0);
	put_u32(b, OP_mask);
	put_u32(b, size);
	put_u32(b, pretended);
	put(b, text, len);
}

static void test_broken(void)
{
	struct bytes b;

	put_masks(&b, 8, 3, "abc", 4);
	expect(&b, NULL);
	put_masks(&b, 8, 3, "a\0c", 4);
	expect(&b, "text with a NUL inside or none at its end");
	put_masks(&b, 8, 3, "abcd", 4);
	expect(&b, "text with a NUL inside or none at its end");
	put_masks(&b, 8, 4, "abc", 4);
	expect(&b, "text beyond the end");
	put_masks(&b, 8, 0xffffffffu, "abc", 4);
	expect(&b, "text beyond the end");
	put_masks(&b, 8, 2, "ab\0", 4);
	expect(&b, "bytes after the last field");
	put_masks(&b, 9, 3, "abc", 4);
	expect(&b, "fields beyond the end");
	put_masks(&b, 0xffffffffu, 3, "abc", 4);
	expect(&b, "fields beyond the end");
	put_masks(&b, 2, 3, "abc", 4);
	expect(&b, "number beyond the end");
	put_masks(&b, 8, 3, "abc", 4);
	b.at[PLAN_HEADER_BYTES] = 9;
	expect(&b, "unknown operation");
	for (uint32_t list = OP_groups; list <= OP_groups + 4; list += 4) { /* u32s, then strs (env) */
		begin(&b, 1, 0);
		put_u32(&b, list);
		put_u32(&b, 4);
		put_u32(&b, 0x40000000u);
		expect(&b, list == OP_groups ? "numbers beyond the end" : "number beyond the end");
	}
}

static void test_slots(void)
{
	static const struct {
		uint32_t number, a, b;
		int right;
	} cases[] = {
		{OP_join, 1, 0, 1},       {OP_join, 2, 0, 0},        {OP_wait_start, 0, 1, 1}, {OP_wait_start, 0, 2, 0},
		{OP_wait_start, 2, 0, 0}, {OP_preserve, 0, 2, 1},    {OP_preserve, 2, 0, 1},   {OP_preserve, 1, 2, 0},
		{OP_preserve, 3, 0, 0},   {OP_preserve, 1, ~0u, 0},
	};
	struct bytes b;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin(&b, 1, 2);
		put_u32(&b, cases[i].number);
		put_u32(&b, 8);
		put_u32(&b, cases[i].a);
		put_u32(&b, cases[i].b);
		expect(&b, cases[i].right ? NULL : "slot out of range");
	}
}

static void test_names(void)
{
	CHECK(strcmp(plan_op_name(OP_mount), "mount") == 0, "name");
	CHECK(plan_op_name(9999) == NULL, "no name");
}

int main(void)
{
	test_fields();
	test_layout();
	test_header();
	test_broken();
	test_slots();
	test_names();
	return checked("plan decoder");
}
