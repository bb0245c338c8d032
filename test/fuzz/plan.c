/*
 * Fuzzes the plan decoder: plans of random operations are changed at random. What is accepted must, written again from
 * what was decoded, give the same bytes: there is one way to write a plan, and no byte in it goes unread. What is
 * refused must be refused with a reason. The bytes lie at the end of a page, with a forbidden one after it.
 *
 *   plan SECONDS [SEED]     prints the seed; ends with 0, or dies at the first fault
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "plan.h"

enum { MOST = 8192 };

struct bytes {
	unsigned char at[2 * MOST];
	size_t len;
};

static uint64_t state;

static uint32_t number_below(uint32_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) % limit);
}

static _Noreturn void fault(const char *what)
{
	fprintf(stderr, "plan decoder: %s\n", what);
	abort();
}

/* ---- writing, as the format says: see plan.h ------------------------------------------------------------------- */

static void put(struct bytes *b, const void *from, size_t len)
{
	if (b->len + len > sizeof b->at)
		fault("more bytes than were read");
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

static void put_u64(struct bytes *b, uint64_t value)
{
	put_u32(b, (uint32_t)value);
	put_u32(b, (uint32_t)(value >> 32));
}

static void put_bytes(struct bytes *b, struct plan_bytes value)
{
	put_u32(b, value.len);
	put(b, value.ptr, value.len);
}

static void put_str(struct bytes *b, struct plan_str value)
{
	if (strlen(value.ptr) != value.len)
		fault("a text with another length than strlen says");
	put_u32(b, value.len);
	put(b, value.ptr, (size_t)value.len + 1);
}

static void put_strs(struct bytes *b, struct plan_strs value)
{
	put_u32(b, value.count);
	while (value.count > 0)
		put_str(b, plan_strs_next(&value));
}

static void put_u32s(struct bytes *b, struct plan_u32s value)
{
	put_u32(b, value.count);
	for (uint32_t i = 0; i < value.count; i++)
		put_u32(b, plan_u32s_get(&value, i));
}

static void put_header(struct bytes *b, uint32_t total, uint32_t ops, uint32_t slots, uint32_t flags)
{
	const uint32_t header[] = {PLAN_MAGIC, PLAN_VERSION, total, ops, slots, flags};

	for (size_t i = 0; i < sizeof header / sizeof *header; i++)
		put_u32(b, header[i]);
}

static void put_op(struct bytes *b, const struct plan_op *op)
{
	static struct bytes fields;

	fields.len = 0;
	switch (op->number) {
#define OP(name, number_, members) \
	case OP_##name: { \
		const struct op_##name *it = &op->as.name; \
		(void)it; \
		members \
		break; \
	}
#define F(kind, name) put_##kind(&fields, it->name);
#include "plan.def"
#undef OP
#undef F
	}
	put_u32(b, (uint32_t)op->number);
	put_u32(b, (uint32_t)fields.len);
	put(b, fields.at, fields.len);
}

/* ---- random plans ---------------------------------------------------------------------------------------------- */

static void random_u32(struct bytes *b)
{
	put_u32(b, number_below(3) == 0 ? (uint32_t)state : number_below(5));
}

static void random_u64(struct bytes *b)
{
	put_u64(b, number_below(2) == 0 ? state : number_below(5));
}

static void random_bytes(struct bytes *b)
{
	put_bytes(b, (struct plan_bytes){(const unsigned char *)"\0\1\2\3\4\5\6", number_below(8)});
}

static void random_str(struct bytes *b)
{
	static const char *const texts[] = {"", "/", "/proc/self", "mode=755", "a little longer text", "\xff\xc3\xa9"};
	const char *text = texts[number_below(sizeof texts / sizeof *texts)];

	put_str(b, (struct plan_str){text, (uint32_t)strlen(text)});
}

static void random_strs(struct bytes *b)
{
	uint32_t count = number_below(4);

	put_u32(b, count);
	while (count-- > 0)
		random_str(b);
}

static void random_u32s(struct bytes *b)
{
	uint32_t count = number_below(4);

	put_u32(b, count);
	while (count-- > 0)
		random_u32(b);
}

static void random_fields(struct bytes *b, uint32_t number)
{
	switch (number) {
#define OP(name, number_, members) \
	case (number_): \
		members \
		break;
#define F(kind, name) random_##kind(b);
#include "plan.def"
#undef OP
#undef F
	default: /* nothing is known by this number */
		break;
	}
}

static void random_plan(struct bytes *plan)
{
	static struct bytes body, fields;
	uint32_t ops = number_below(12);

	body.len = 0;
	for (uint32_t i = 0; i < ops; i++) {
		uint32_t number;

		do
			number = number_below(90);
		while (plan_op_name(number) == NULL && number_below(1000) != 0);
		fields.len = 0;
		random_fields(&fields, number);
		put_u32(&body, number);
		put_u32(&body, (uint32_t)fields.len);
		put(&body, fields.at, fields.len);
	}
	plan->len = 0;
	put_header(plan, (uint32_t)(PLAN_HEADER_BYTES + body.len), ops, 4, number_below(2));
	put(plan, body.at, body.len);
}

/* One small change. */
static void change(struct bytes *b)
{
	size_t at = number_below((uint32_t)b->len + 1), count = number_below(9);

	if (count > b->len - at)
		count = b->len - at;
	switch (number_below(5)) {
	case 0: /* another byte */
		if (at < b->len)
			b->at[at] = (unsigned char)number_below(256);
		break;
	case 1: /* a byte a little larger or smaller: lengths and counts */
		if (at < b->len)
			b->at[at] = (unsigned char)(b->at[at] + number_below(5) - 2);
		break;
	case 2: /* some bytes less */
		memmove(b->at + at, b->at + at + count, b->len - at - count);
		b->len -= count;
		break;
	case 3: /* some bytes twice */
		memmove(b->at + at + count, b->at + at, b->len - at);
		b->len += count;
		break;
	default: /* the end cut off */
		b->len = at;
		break;
	}
	/* most changes of the length would be noticed in the header already */
	if (b->len >= PLAN_HEADER_BYTES && number_below(20) != 0)
		for (int i = 0; i < 4; i++)
			b->at[8 + i] = (unsigned char)(b->len >> (8 * i));
}

/* ---- the property ---------------------------------------------------------------------------------------------- */

/* Decodes what plan_check has accepted and writes it again. */
static void write_again(const unsigned char *at, size_t len, struct bytes *again)
{
	struct plan plan;
	struct plan_op op;
	const char *why = NULL;
	int more;

	if (plan_open(&plan, at, len, &why) < 0)
		fault("plan_open refuses what plan_check accepted");
	again->len = 0;
	put_header(again, (uint32_t)len, plan.ops, plan.slots, plan.flags);
	while ((more = plan_next(&plan, &op, &why)) > 0)
		put_op(again, &op);
	if (more < 0)
		fault("plan_next refuses what plan_check accepted");
}

/* Returns 1 for an accepted plan. */
static int try_plan(const struct bytes *b, unsigned char *page_end)
{
	static struct bytes again;
	unsigned char *at = page_end - b->len;
	struct plan plan;
	const char *why = NULL;

	memcpy(at, b->at, b->len);
	if (plan_check(at, b->len, &plan, &why) < 0) {
		if (why == NULL)
			fault("refused without a reason");
		return 0;
	}
	write_again(at, b->len, &again);
	if (again.len != b->len || memcmp(again.at, b->at, b->len) != 0)
		fault("other bytes when written again");
	return 1;
}

int main(int argc, char **argv)
{
	const long seconds = argc > 1 ? atol(argv[1]) : 5;
	const time_t end = time(NULL) + seconds;
	unsigned char *pages = mmap(NULL, 2 * MOST + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static struct bytes plan;
	unsigned long tried = 0, accepted = 0, changed = 0;

	state = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
	printf("plan: seed %llu\n", (unsigned long long)state);
	fflush(stdout);
	state |= 1;
	if (pages == MAP_FAILED || mprotect(pages + 2 * MOST, 4096, PROT_NONE) < 0)
		fault("no memory");
	while (tried % 256 != 0 || time(NULL) < end) {
		random_plan(&plan);
		accepted += (unsigned long)try_plan(&plan, pages + 2 * MOST);
		for (uint32_t i = number_below(8); i > 0 && plan.len < MOST; i--) {
			change(&plan);
			changed += (unsigned long)try_plan(&plan, pages + 2 * MOST);
		}
		tried++;
	}
	printf("plan: %lu plans, %lu accepted as made, %lu after a change\n", tried, accepted, changed);
	/* a decoder that refuses everything would pass otherwise */
	return accepted > tried / 4 && changed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
