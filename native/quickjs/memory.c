/*
 * The engine's memory: blocks are cut from one large piece after the other, freed ones wait in a list per size for the
 * next of their size, and nothing but very large blocks goes back to the kernel. A command ends within milliseconds;
 * what it would cost to be tidy is a good part of its time. (The engine has its own cells for the smallest objects.)
 *
 * A block is a header of 8 bytes, its size with the header, and then the memory, aligned to 16.
 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The engine cuts all its small blocks from arenas; most of these have this size here. */
#define ARENA 4096u

/* What is asked of the kernel at a time. Pages that are never touched cost nothing. */
#define PIECE (1u << 20)

/* Larger blocks have a mapping of their own. */
#define LARGEST_CLASS (64u << 10)

#define HEADER 8u
#define PAGE 4096u

/* Sizes of blocks: every multiple of 16 up to 256, then four per doubling: 320, 384, 448, 512, 640, ... */
#define FINE_CLASSES 16u
#define CLASSES (FINE_CLASSES + 4u * 8u)

struct block {
	uint64_t size;
	struct block *next_free; /* where the memory begins, while the block is free */
};

/* Room for the heap image (memory.h) and for what a short command adds to it. */
#define HEAP_IMAGE (1792u << 10)

/* All that the engine and this allocator change lies in here, in a section of its own, so that it can be saved as a whole. */
static struct heap {
	struct heap_roots roots;
	struct block *free_blocks[CLASSES];
	char *piece_next, *piece_end; /* NULL: nothing was allocated yet */
	_Alignas(PAGE) char blocks[HEAP_IMAGE - PAGE];
} heap __attribute__((section(".heap"), aligned(PAGE)));

_Static_assert(sizeof(struct heap) == HEAP_IMAGE, "the section is as large as its constant says");

struct heap_roots *const heap_roots = &heap.roots;

static unsigned class_of(size_t size)
{
	if (size <= 256)
		return (unsigned)((size + 15) / 16) - 1;
	unsigned doubling = 63u - (unsigned)__builtin_clzl(size - 1); /* 8 for 257 to 512 */
	unsigned quarter = (unsigned)((size - 1) >> (doubling - 2)) & 3u;
	return FINE_CLASSES + (doubling - 8) * 4 + quarter;
}

static size_t size_of_class(unsigned class)
{
	if (class < FINE_CLASSES)
		return ((size_t)class + 1) * 16;
	unsigned doubling = 8 + (class - FINE_CLASSES) / 4, quarter = (class - FINE_CLASSES) % 4;
	return ((size_t)1 << doubling) + (((size_t)quarter + 1) << (doubling - 2));
}

static void *memory_of(struct block *block)
{
	return (char *)block + HEADER;
}

static struct block *block_of(void *memory)
{
	return (struct block *)((char *)memory - HEADER);
}

static char *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* Blocks begin 8 bytes into a mapping, so that the memory behind their header is aligned. */
static struct block *first_block(char *mapping)
{
	return (struct block *)(mapping + HEADER);
}

static bool next_piece(void)
{
	bool first = !heap.piece_next;
	char *piece = first ? heap.blocks : map(PIECE);
	if (!piece)
		return false;
	heap.piece_next = (char *)first_block(piece);
	heap.piece_end = piece + (first ? sizeof(heap.blocks) : PIECE) - HEADER;
	return true;
}

static size_t large_mapping(size_t size)
{
	return (HEADER + size + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void *large_block(char *mapping, size_t mapping_size)
{
	if (!mapping)
		return NULL;
	struct block *block = first_block(mapping);
	block->size = mapping_size - HEADER;
	return memory_of(block);
}

static bool in_image(const void *memory)
{
	return (const char *)memory >= heap.blocks && (const char *)memory < heap.blocks + sizeof(heap.blocks);
}

/*
 * Arenas from the front, the rest from the back. So each arena lies in a page of its own: the first write to one, often to
 * nothing but a reference count, makes the kernel copy one page of the image and not two.
 */
static void *cut(size_t size)
{
	if ((!heap.piece_next || (size_t)(heap.piece_end - heap.piece_next) < size) && !next_piece())
		return NULL;
	struct block *block;
	if (size == ARENA) {
		block = (struct block *)heap.piece_next;
		heap.piece_next += size;
	} else {
		heap.piece_end -= size;
		block = (struct block *)heap.piece_end;
	}
	block->size = size;
	return memory_of(block);
}

static void *allocate(void *opaque, size_t wanted)
{
	(void)opaque;
	size_t size;
	if (__builtin_add_overflow(wanted, HEADER, &size) || size > SIZE_MAX - 2 * PAGE)
		return NULL;
	if (size > LARGEST_CLASS) {
		/* a mapping can't become part of the image */
		if (!heap.roots.runtime)
			return size <= sizeof(heap.blocks) ? cut((size + 15) & ~(size_t)15) : NULL;
		return large_block(map(large_mapping(size)), large_mapping(size));
	}

	unsigned class = class_of(size);
	struct block *block = heap.free_blocks[class];
	if (block) {
		heap.free_blocks[class] = block->next_free;
		return memory_of(block);
	}
	return cut(size_of_class(class));
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
	if (block->size > LARGEST_CLASS) {
		if (!in_image(block))
			munmap((char *)block - HEADER, block->size + HEADER);
		return;
	}
	unsigned class = class_of(block->size);
	block->next_free = heap.free_blocks[class];
	heap.free_blocks[class] = block;
}

static size_t usable_size(const void *memory)
{
	return memory ? ((const uint64_t *)memory)[-1] - HEADER : 0;
}

static void *reallocate(void *opaque, void *memory, size_t wanted)
{
	size_t usable = usable_size(memory);
	if (memory && wanted <= usable)
		return memory;
	if (usable + HEADER > LARGEST_CLASS && !in_image(memory) && wanted <= SIZE_MAX - 3 * PAGE) {
		size_t mapping_size = large_mapping(wanted + HEADER);
		void *mapping = mremap((char *)memory - 2 * HEADER, usable + 2 * HEADER, mapping_size, MREMAP_MAYMOVE);
		return mapping == MAP_FAILED ? NULL : large_block(mapping, mapping_size);
	}
	void *larger = allocate(opaque, wanted);
	if (larger && memory) {
		memcpy(larger, memory, usable);
		release(opaque, memory);
	}
	return larger;
}

int heap_write(const char *path)
{
	if (!in_image(heap.piece_next)) {
		errno = ENOSPC;
		return -1;
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

const JSMallocFunctions memory_functions = {
	.js_calloc = allocate_zeroed,
	.js_malloc = allocate,
	.js_free = release,
	.js_realloc = reallocate,
	.js_malloc_usable_size = usable_size,
};
