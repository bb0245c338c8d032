/*
 * A plan in memory and on the wire. Decoded by init and by the host library (native/plan/plan.c), encoded by the host
 * library (native/host/plan_encode.c); both are made from plan.def.
 *
 * The wire form, all numbers little-endian, nothing aligned:
 *
 *   header   u32 magic, version, total (bytes of the whole plan, header included), ops, slots, flags
 *   ops      each: u32 number, u32 size (of its fields), then the fields in the order of plan.def
 *   fields   u32, u64
 *            bytes: u32 length, then the bytes
 *            str:   u32 length, then the bytes, then a NUL that is not counted; no NUL inside
 *            strs:  u32 count, then each as a str
 *            u32s:  u32 count, then each
 *
 * A decoder is done exactly at the end of each operation and of the plan; anything else is an error.
 */
#ifndef TSRUNC_PLAN_H
#define TSRUNC_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

#define PLAN_HEADER_BYTES 24u
#define PLAN_OP_HEADER_BYTES 8u

enum op_number {
#define OP(name, number, fields) OP_##name = (number),
#define F(kind, name)
#include "plan.def"
#undef OP
#undef F
};

/* Text inside the plan; ptr[len] is NUL. */
struct plan_str {
	const char *ptr;
	uint32_t len;
};

struct plan_bytes {
	const unsigned char *ptr;
	uint32_t len;
};

/* A list that is still in wire form; walked with plan_strs_next. */
struct plan_strs {
	const unsigned char *at;
	uint32_t count;
};

/* A list that is still in wire form; read with plan_u32s_get. */
struct plan_u32s {
	const unsigned char *at;
	uint32_t count;
};

/* One struct per operation, its fields in order, e.g. struct op_sync { unsigned char present; uint32_t point; }. */
#define PLAN_TYPE_u32 uint32_t
#define PLAN_TYPE_u64 uint64_t
#define PLAN_TYPE_str struct plan_str
#define PLAN_TYPE_bytes struct plan_bytes
#define PLAN_TYPE_strs struct plan_strs
#define PLAN_TYPE_u32s struct plan_u32s

#define F(kind, name) PLAN_TYPE_##kind name;
#define OP(name, number, fields) \
	struct op_##name { \
		unsigned char present; /* so that an operation without fields is a struct, too */ \
		fields \
	};
#include "plan.def"
#undef OP
#undef F

/* A decoded operation. */
struct plan_op {
	enum op_number number;
	union {
		struct {
			unsigned char present; /* where all of them begin */
		} any;
#define OP(name, number, fields) struct op_##name name;
#define F(kind, name)
#include "plan.def"
#undef OP
#undef F
	} as;
};

/* A plan being read. */
struct plan {
	const unsigned char *at;
	const unsigned char *end;
	uint32_t ops;   /* how many operations it has */
	uint32_t slots; /* how many descriptors came along */
	uint32_t flags; /* PLAN_TRACE */
	uint32_t next;  /* index of the operation that plan_next gives next */
};

/*
 * Begins to read a plan and checks its header: magic, version, sizes, counts, flags.
 * Returns 0, or -1 with *why telling what is wrong (a literal).
 */
int plan_open(struct plan *plan, const void *bytes, size_t size, const char **why);

/*
 * Decodes the next operation. Its texts and lists point into the plan's bytes.
 * Returns 1, 0 at the end, or -1 with *why telling what is wrong (a literal).
 */
int plan_next(struct plan *plan, struct plan_op *op, const char **why);

/*
 * Decodes everything without doing anything, and checks that slots are in range, so that later plan_next can't fail.
 * Returns 0, or -1 with *why; plan->next is the operation at fault.
 */
int plan_check(const void *bytes, size_t size, struct plan *plan, const char **why);

/* Takes the next of a list's texts; the caller takes at most count. */
struct plan_str plan_strs_next(struct plan_strs *list);

/* The i-th number of a list, i < count. */
uint32_t plan_u32s_get(const struct plan_u32s *list, uint32_t i);

/* The operation's name as in plan.def, NULL for an unknown number. */
const char *plan_op_name(uint32_t number);

#endif
