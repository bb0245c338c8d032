/*
 * Why a program can't be executed. execve(2) says ENOENT both for a missing program and for a missing interpreter or
 * loader, and ENOEXEC for everything from a text file to another machine's program; a look into the file tells them
 * apart. The file is the image's: bounded reads, every offset checked.
 */
#include "init.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel.h"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#error "tell explain.c the machine's number"
#endif

static const struct {
	unsigned int number;
	const char *name;
} machines[] = {
	{EM_X86_64, "x86_64"}, {EM_AARCH64, "aarch64"}, {EM_386, "x86"},       {EM_ARM, "arm"},
	{EM_RISCV, "riscv"},   {EM_PPC64, "ppc64"},     {EM_S390, "s390x"}, {EM_MIPS, "mips"},
};

static const char *machine_name(unsigned int number)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].number == number)
			return machines[i].name;
	return "another machine";
}

/* Whether something can be opened by this path: tells a missing interpreter from a forbidden one. */
static int present(const char *path)
{
	_scoped int fd = open(path, O_PATH | O_CLOEXEC);

	return fd >= 0;
}

/* "#! /bin/sh -e": the interpreter. */
static int explain_script(const char *path, char *head, int err, struct failure *why)
{
	char *interpreter = head + 2 + strspn(head + 2, " \t");
	size_t line = strcspn(interpreter, "\n"), len = strcspn(interpreter, " \t\n");

	if (err == ENOENT && line > 0 && interpreter[line - 1] == '\r' && len >= line)
		return FAIL(why, err, "exec", "\"", path,
			    "\": its first line ends with a carriage return (CR LF line ends), "
			    "so its interpreter isn't found");
	interpreter[len] = 0;
	if (err == ENOENT && !present(interpreter))
		return FAIL(why, err, "exec", "\"", path, "\": its interpreter \"", interpreter, "\"");
	if (err == EACCES)
		return FAIL(why, err, "exec", "\"", path, "\": it or its interpreter \"", interpreter, "\"");
	return FAIL(why, err, "exec", "\"", path, "\"");
}

/* The loader that an ELF file names. Returns 1 and its path, or 0. */
static int find_loader(int fd, const Elf64_Ehdr *header, char loader[256])
{
	const ssize_t size = sizeof(Elf64_Phdr);
	Elf64_Phdr part;

	if (header->e_phoff > INT64_MAX / 2 || header->e_phentsize != size)
		return 0;
	for (unsigned int i = 0; i < header->e_phnum && i < 64; i++) {
		if (pread(fd, &part, sizeof(part), (off_t)header->e_phoff + i * size) != size)
			return 0;
		if (part.p_type != PT_INTERP)
			continue;
		if (part.p_filesz < 2 || part.p_filesz > 256 || part.p_offset > INT64_MAX ||
		    pread(fd, loader, part.p_filesz, (off_t)part.p_offset) != (ssize_t)part.p_filesz)
			return 0;
		loader[part.p_filesz - 1] = 0;
		return 1;
	}
	return 0;
}

static int explain_elf(const char *path, int fd, const Elf64_Ehdr *header, int err, struct failure *why)
{
	char loader[256];

	/* e_machine is at the same place for 32 and 64 bits */
	if (err == ENOEXEC && header->e_machine != MACHINE)
		return FAIL(why, err, "exec", "\"", path, "\": made for ", machine_name(header->e_machine),
			    ", this machine is ", machine_name(MACHINE));
	if (err == ENOENT && header->e_ident[EI_CLASS] == ELFCLASS64 && find_loader(fd, header, loader) &&
	    !present(loader))
		return FAIL(why, err, "exec", "\"", path, "\": its loader \"", loader, "\"");
	return FAIL(why, err, "exec", "\"", path, "\"");
}

int explain_exec(const char *path, int err, struct failure *why)
{
	_scoped int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	union {
		char text[257];
		Elf64_Ehdr elf;
	} head = {{0}};
	struct stat st;
	ssize_t len;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return FAIL(why, err, "exec", "\"", path, "\"");
	len = pread(fd, head.text, sizeof(head.text) - 1, 0);
	if (len >= (ssize_t)sizeof(head.elf) && memcmp(head.text, ELFMAG, SELFMAG) == 0)
		return explain_elf(path, fd, &head.elf, err, why);
	if (len > 2 && head.text[0] == '#' && head.text[1] == '!')
		return explain_script(path, head.text, err, why);
	if (err == ENOEXEC)
		return FAIL(why, err, "exec", "\"", path,
			    len == 0 ? "\": the file is empty"
				     : "\": neither a program nor a script that begins with #!");
	return FAIL(why, err, "exec", "\"", path, "\"");
}
