/* Memory of one call, and the values that cross between C and JavaScript. */
#include "host.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

/* ---- the arena ------------------------------------------------------------------------------------------------- */

struct arena_block {
	struct arena_block *older;
	_Alignas(16) char bytes[];
};

#define BLOCK_BYTES ((size_t)32 << 10)

void arena_begin(struct arena *arena)
{
	arena->blocks = NULL;
	arena->next = arena->first;
	arena->end = arena->first + sizeof arena->first;
}

void arena_end(struct arena *arena)
{
	struct arena_block *block = arena->blocks;

	while (block != NULL) {
		struct arena_block *older = block->older;

		free(block);
		block = older;
	}
	arena_begin(arena);
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
	struct arena_block *block = malloc(sizeof *block + size);

	if (block == NULL)
		return NULL;
	block->older = arena->blocks;
	arena->blocks = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block;
	char *at;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (size > (size_t)(arena->end - arena->next)) {
		/* Large things get a block of their own, so that the rest of the present one is not lost. */
		if (size > BLOCK_BYTES / 4) {
			block = add_block(arena, size);
			return block == NULL ? NULL : block->bytes;
		}
		block = add_block(arena, BLOCK_BYTES);
		if (block == NULL)
			return NULL;
		arena->next = block->bytes;
		arena->end = block->bytes + BLOCK_BYTES;
	}
	at = arena->next;
	arena->next += size;
	return at;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		return NULL;
	return arena_alloc(arena, total);
}

/* ---- makers ------------------------------------------------------------------------------------------------------ */

struct hv hv_none(void)
{
	return (struct hv){.kind = HV_NONE};
}

struct hv hv_bool(bool value)
{
	return (struct hv){.kind = HV_BOOL, .boolean = value};
}

struct hv hv_int(int64_t value)
{
	return (struct hv){.kind = HV_INT, .integer = value};
}

struct hv hv_uint(uint64_t value)
{
	return (struct hv){.kind = HV_INT, .is_unsigned = value > INT64_MAX, .integer = (int64_t)value};
}

struct hv hv_real(double value)
{
	return (struct hv){.kind = HV_REAL, .real = value};
}

struct hv hv_str(const char *nul_terminated)
{
	return hv_str_len(nul_terminated, strlen(nul_terminated));
}

struct hv hv_str_len(const char *ptr, size_t len)
{
	return (struct hv){.kind = HV_STR, .str = {ptr, len}};
}

struct hv hv_bytes(const uint8_t *ptr, size_t len)
{
	return (struct hv){.kind = HV_BYTES, .bytes = {ptr, len}};
}

struct hv hv_str_copy(struct arena *arena, const char *ptr, size_t len)
{
	size_t bad, room = len;
	char *copy;

	/* Each invalid byte may become the three bytes of U+FFFD. */
	if (!text_is_utf8(ptr, len, &bad) && __builtin_mul_overflow(len, (size_t)3, &room))
		return hv_none();
	copy = arena_alloc(arena, room + 1);
	if (copy == NULL)
		return hv_none();
	len = text_to_utf8(copy, room, ptr, len);
	copy[len] = '\0';
	return hv_str_len(copy, len);
}

struct hv hv_list(struct arena *arena, size_t count)
{
	struct hv *items = arena_array(arena, count == 0 ? 1 : count, sizeof *items);

	for (size_t i = 0; items != NULL && i < count; i++)
		items[i] = hv_none();
	return (struct hv){.kind = HV_LIST, .list = {items, items == NULL ? 0 : count}};
}
