/*
 * Build time only: finds out which blocks of the heap image (memory.h) commands write to.
 *
 * Linked into a tsrunc of its own, build/tsrunc-training, which does what tsrunc does. Where the environment names a file
 * with HEAP_TRAINING, that file is an array of struct heap_use, to which each command adds the blocks of the image it has
 * written to. The image is write-protected; a write then is a signal, which notes the block, lets this one instruction
 * pass, and protects the page again. So a command takes a part of a second. Writes by the kernel, into a buffer that lies in
 * the image, would fail; the engine has none.
 *
 * On processors we don't know how to let do a single step nothing is noted, and the image is laid out as it comes.
 */
#include "memory.h"

#ifdef __x86_64__

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096u

/* Some forty thousand blocks are asked for. */
#define MOST_BLOCKS (256u << 10)
#define FILE_BYTES (MOST_BLOCKS * sizeof(struct heap_use))

/* An instruction writes to two pages at most, a repeated one to one more before its next step. */
#define MOST_PAGES 4u

/* A page that was written to that often without news is left open, to save time. */
#define ENOUGH 256u

/* The processor's trap flag. */
#define SINGLE_STEP 0x100

static struct heap_use *uses;
/* By number: whether this command has been added. */
static bool *noted;
static char *image, *image_end;
static struct page {
	const struct heap_block *first; /* the first block of which some lies in it */
	unsigned writes;		/* since the last new block */
} *pages;

static struct page *opened[MOST_PAGES];
static unsigned opened_count;

static struct page *page_of(const void *address)
{
	return &pages[(size_t)((const char *)address - image) / PAGE];
}

static void protect(const struct page *page, int protection)
{
	mprotect(image + (size_t)(page - pages) * PAGE, PAGE, protection);
}

static void note_write(const char *address)
{
	struct page *page = page_of(address);
	const struct heap_block *block = page->first;
	while (block && (const char *)block + block->size <= address)
		block = heap_next_cold(block);
	page->writes++;
	if (!block || block->number >= MOST_BLOCKS || noted[block->number])
		return;
	page->writes = 0;
	noted[block->number] = true;
	uses[block->number].commands++;
	uses[block->number].size = block->size;
}

static void on_write(int number, siginfo_t *info, void *context)
{
	char *address = info->si_addr;
	if (address < image || address >= image_end || opened_count == MOST_PAGES) {
		signal(number, SIG_DFL); /* it happens again, and ends the program */
		return;
	}
	note_write(address);
	struct page *page = page_of(address);
	protect(page, PROT_READ | PROT_WRITE);
	if (page->writes >= ENOUGH)
		return;
	opened[opened_count++] = page;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= SINGLE_STEP;
}

static void on_step(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	while (opened_count > 0)
		protect(opened[--opened_count], PROT_READ);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)SINGLE_STEP;
}

static void *map(size_t size, int flags, int fd)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (memory == MAP_FAILED)
		_exit(1);
	return memory;
}

static void find_first_blocks(void)
{
	for (const struct heap_block *block = heap_first_cold(); block; block = heap_next_cold(block)) {
		const char *last = (const char *)block + block->size - 1;
		for (struct page *page = page_of(block); page <= page_of(last); page++) {
			if (!page->first)
				page->first = block;
		}
	}
}

__attribute__((constructor)) static void begin_training(void)
{
	const char *path = getenv("HEAP_TRAINING");
	if (!path || !heap_roots->runtime)
		return;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, FILE_BYTES) < 0)
		_exit(1);
	uses = map(FILE_BYTES, MAP_SHARED, fd);
	close(fd);
	noted = map(MOST_BLOCKS, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	heap_bounds(&image, &image_end);
	pages = map((size_t)(image_end - image) / PAGE * sizeof(*pages), MAP_PRIVATE | MAP_ANONYMOUS, -1);
	find_first_blocks();

	struct sigaction write = { .sa_sigaction = on_write, .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_NODEFER };
	sigaction(SIGSEGV, &write, NULL);
	sigaction(SIGTRAP, &step, NULL);
	mprotect(image, (size_t)(image_end - image), PROT_READ);
}

#endif
