/*
 * The engine's memory: blocks are cut from one large piece after the other, freed ones wait in a list per size for the
 * next of their size, and nothing but very large blocks goes back to the kernel. A command ends within milliseconds;
 * what it would cost to be tidy is a good part of its time.
 *
 * While the heap image is made (memory.h), time does not matter and space does: blocks are as small as they can be, and
 * where a block lies depends on whether commands will write to it. The first write to a page of the image makes the kernel
 * copy that page, and a write may be nothing but a reference count: a few hundred blocks among ten thousand, scattered, cost
 * a hundred copies, which was a third of a short command's time. So the blocks that commands write to lie together, and in
 * front of them those that most commands write to. Which ones they are was found out by watching commands (training.c); the
 * engine starts the same way every time, so that a block is known by being the nth that was asked for.
 *
 * A block is a header of 8 bytes and then the memory, aligned to 8 like the engine's own small cells, which a macro in
 * the Makefile switches off.
 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is asked of the kernel at a time. Pages that are never touched cost nothing. */
#define PIECE (1u << 20)

/* Larger blocks have a mapping of their own. */
#define LARGEST_CLASS (64u << 10)

/* No command needs such a block, and sizes stay far from overflowing. */
#define LARGEST_BLOCK (UINT32_MAX - 4 * PAGE)

#define HEADER 8u
#define PAGE 4096u

/* The smallest block: room for the link that it holds while it is free. */
#define SMALLEST 16u

/* Sizes of blocks: every multiple of 8 up to 256, then four per doubling: 320, 384, 448, 512, 640, ... */
#define FINE_CLASSES 32u
#define CLASSES (FINE_CLASSES + 4u * 8u)

struct block {
	struct heap_block header;
	struct block *next_free; /* where the memory begins, while the block is free */
};

/* Blocks that so many commands write to lie in front: a third of those in tools/train-heap.mjs. More or fewer were slower. */
#define CORE_COMMANDS 6

/* Room for the heap image. */
#define HEAP_IMAGE (1856u << 10)

/* All that the engine and this allocator change lies in here, in a section of its own, so that it can be saved as a whole. */
static struct heap {
	struct heap_roots roots;
	/* From here on blocks are cut at run time; NULL: none was yet. */
	char *piece_next, *piece_end;
	struct block *free_blocks[CLASSES];
	/* In the image, the blocks that no command is known to write to begin here. */
	char *cold_begin;
	_Alignas(PAGE) char blocks[HEAP_IMAGE - PAGE];
} heap __attribute__((section(".heap"), aligned(PAGE)));

_Static_assert(sizeof(struct heap) == HEAP_IMAGE, "the section is as large as its constant says");

struct heap_roots *const heap_roots = &heap.roots;

static void *memory_of(struct block *block)
{
	return (char *)block + HEADER;
}

static struct block *block_of(void *memory)
{
	return (struct block *)((char *)memory - HEADER);
}

static size_t usable_size(const void *memory)
{
	return memory ? ((const struct heap_block *)memory)[-1].size - HEADER : 0;
}

/* Blocks begin where a mapping does, as nothing needs more alignment than they have. */
static char *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* ---- while the image is made ------------------------------------------------------------------------------------------- */

/*
 * Where the next block goes: what most commands write to, the core, in front; behind it the rest of what they write to; all
 * others from the back. How large the core is, is known before.
 */
static char *core_next = heap.blocks, *core_end = heap.blocks, *hot_next = heap.blocks;

/* Free blocks behind cold_begin in the order of their addresses, neighbours joined. */
static struct block *free_cold;

/* How many blocks were asked for, and what is known of each by its number. */
static uint32_t asked;
static const struct heap_use *uses;
static size_t uses_length;

static bool making_image(void)
{
	return !heap.roots.runtime;
}

static bool in_core(const struct heap_use *use)
{
	return use->commands >= CORE_COMMANDS;
}

void heap_expect(const struct heap_use *expected, size_t length)
{
	uses = expected;
	uses_length = length;
	for (size_t i = 0; i < length; i++) {
		if (in_core(&uses[i]))
			core_end += uses[i].size;
	}
	hot_next = core_end;
}

/* Cuts a block of exactly that size from a free one, or returns NULL. */
static struct block *reuse(uint32_t size)
{
	for (struct block **link = &free_cold; *link; link = &(*link)->next_free) {
		struct block *block = *link;
		uint32_t rest = block->header.size - size;
		if (block->header.size < size || (rest > 0 && rest < SMALLEST))
			continue;
		if (rest == 0) {
			*link = block->next_free;
		} else {
			struct block *remainder = (struct block *)((char *)block + size);
			remainder->header.size = rest;
			remainder->next_free = block->next_free;
			*link = remainder;
		}
		return block;
	}
	return NULL;
}

static struct block *place_cold(uint32_t size)
{
	struct block *block = reuse(size);
	return block ? block : (struct block *)(heap.cold_begin -= size);
}

static struct block *place_hot(const struct heap_use *use, uint32_t size)
{
	char **next = in_core(use) ? &core_next : &hot_next;
	struct block *block = (struct block *)*next;
	*next += size;
	return block;
}

static _Noreturn void fail(const char *what)
{
	dprintf(STDERR_FILENO, "tsrunc: the heap image: %s\n", what);
	_exit(1);
}

static void *place(size_t wanted)
{
	if (!heap.cold_begin)
		heap.cold_begin = heap.blocks + sizeof(heap.blocks);
	uint32_t size = wanted <= SMALLEST ? SMALLEST : (uint32_t)(wanted + 7) & ~7u;
	if (hot_next > heap.cold_begin || size > (size_t)(heap.cold_begin - hot_next))
		fail("it needs more than HEAP_IMAGE bytes (memory.c)");
	uint32_t number = asked++;
	bool hot = number < uses_length && uses[number].commands > 0;
	if (hot && uses[number].size != size)
		fail("a block is not the one that was watched: does the engine start differently each time?");
	struct block *block = hot ? place_hot(&uses[number], size) : place_cold(size);
	block->header = (struct heap_block){ .size = size, .number = number };
	return memory_of(block);
}

static bool adjoin(const struct block *block, const struct block *next)
{
	return (const char *)block + block->header.size == (const char *)next;
}

static void put_back(struct block *block)
{
	if ((char *)block < heap.cold_begin) /* what commands write to was not freed when they were watched, and isn't now */
		return;
	struct block **link = &free_cold, *previous = NULL;
	while (*link && *link < block) {
		previous = *link;
		link = &previous->next_free;
	}
	struct block *next = *link;
	block->next_free = next;
	*link = block;
	if (next && adjoin(block, next)) {
		block->header.size += next->header.size;
		block->next_free = next->next_free;
	}
	if (previous && adjoin(previous, block)) {
		previous->header.size += block->header.size;
		previous->next_free = block->next_free;
	}
}

/* ---- at run time ------------------------------------------------------------------------------------------------------- */

/* A short command needs no more. Not in the image: a page of zeros is cheaper than the copy of a page of a file. */
static _Alignas(PAGE) char first_piece[PIECE];

/* The smallest class whose blocks are that large. */
static unsigned class_of(size_t size)
{
	if (size <= 256)
		return (unsigned)((size + 7) / 8) - 1;
	unsigned doubling = 63u - (unsigned)__builtin_clzl(size - 1); /* 8 for 257 to 512 */
	unsigned quarter = (unsigned)((size - 1) >> (doubling - 2)) & 3u;
	return FINE_CLASSES + (doubling - 8) * 4 + quarter;
}

static size_t size_of_class(unsigned class)
{
	if (class < FINE_CLASSES)
		return ((size_t)class + 1) * 8;
	unsigned doubling = 8 + (class - FINE_CLASSES) / 4, quarter = (class - FINE_CLASSES) % 4;
	return ((size_t)1 << doubling) + (((size_t)quarter + 1) << (doubling - 2));
}

static void *cut(unsigned class)
{
	size_t size = size_of_class(class);
	if ((size_t)(heap.piece_end - heap.piece_next) < size) {
		char *piece = heap.piece_next ? map(PIECE) : first_piece;
		if (!piece)
			return NULL;
		heap.piece_next = piece;
		heap.piece_end = piece + PIECE;
	}
	struct block *block = (struct block *)heap.piece_next;
	heap.piece_next += size;
	block->header.size = (uint32_t)size;
	return memory_of(block);
}

static size_t mapping_size(size_t size)
{
	return (size + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void *large_block(char *mapping, size_t size)
{
	if (!mapping)
		return NULL;
	struct block *block = (struct block *)mapping;
	block->header.size = (uint32_t)size;
	return memory_of(block);
}

static bool in_image(const void *memory)
{
	return (const char *)memory >= heap.blocks && (const char *)memory < heap.blocks + sizeof(heap.blocks);
}

static void *allocate(void *opaque, size_t wanted)
{
	(void)opaque;
	if (wanted > LARGEST_BLOCK)
		return NULL;
	size_t size = wanted + HEADER;
	if (making_image())
		return place(size);
	if (size > LARGEST_CLASS)
		return large_block(map(mapping_size(size)), mapping_size(size));

	unsigned class = class_of(size < SMALLEST ? SMALLEST : size);
	struct block *block = heap.free_blocks[class];
	if (!block)
		return cut(class);
	heap.free_blocks[class] = block->next_free;
	return memory_of(block);
}

static void *allocate_zeroed(void *opaque, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	void *memory = allocate(opaque, bytes);
	return memory ? memset(memory, 0, bytes) : NULL;
}

static void release(void *opaque, void *memory)
{
	(void)opaque;
	if (!memory)
		return;
	struct block *block = block_of(memory);
	size_t size = block->header.size;
	if (making_image()) {
		put_back(block);
		return;
	}
	if (size > LARGEST_CLASS) {
		if (!in_image(block))
			munmap(block, size);
		return;
	}
	unsigned class = class_of(size);
	/* blocks of the image have any size; what it is too small for, it must not be given for */
	if (size_of_class(class) > size) {
		class--;
		block->header.size = (uint32_t)size_of_class(class);
	}
	block->next_free = heap.free_blocks[class];
	heap.free_blocks[class] = block;
}

static void *reallocate(void *opaque, void *memory, size_t wanted)
{
	size_t usable = usable_size(memory);
	if (memory && wanted <= usable)
		return memory;
	if (usable + HEADER > LARGEST_CLASS && !in_image(memory) && wanted <= LARGEST_BLOCK) {
		size_t size = mapping_size(wanted + HEADER);
		void *mapping = mremap(block_of(memory), usable + HEADER, size, MREMAP_MAYMOVE);
		return mapping == MAP_FAILED ? NULL : large_block(mapping, size);
	}
	void *larger = allocate(opaque, wanted);
	if (larger && memory) {
		memcpy(larger, memory, usable);
		release(opaque, memory);
	}
	return larger;
}

/* ---- the image --------------------------------------------------------------------------------------------------------- */

int heap_write(const char *path)
{
	/* nothing of what once was in free blocks shall be in the program; they stay free for good */
	for (struct block *block = free_cold, *next; block; block = next) {
		next = block->next_free;
		memset(memory_of(block), 0, block->header.size - HEADER);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	ssize_t written = write(fd, &heap, sizeof(heap));
	if (close(fd) < 0 || written < 0)
		return -1;
	if ((size_t)written == sizeof(heap))
		return 0;
	errno = EIO;
	return -1;
}

const struct heap_block *heap_first_cold(void)
{
	return (const struct heap_block *)heap.cold_begin;
}

const struct heap_block *heap_next_cold(const struct heap_block *block)
{
	const char *next = (const char *)block + block->size;
	return next == heap.blocks + sizeof(heap.blocks) ? NULL : (const struct heap_block *)next;
}

void heap_bounds(char **first, char **end)
{
	*first = heap.blocks;
	*end = heap.blocks + sizeof(heap.blocks);
}

const JSMallocFunctions memory_functions = {
	.js_calloc = allocate_zeroed,
	.js_malloc = allocate,
	.js_free = release,
	.js_realloc = reallocate,
	.js_malloc_usable_size = usable_size,
};
