/*
 * Preloaded into user-mode Linux on processors whose registers outgrow its buffer.
 *
 * UML keeps 2696 bytes of a guest process's extended registers: all up to AVX-512. On a processor with AMX the kernel has
 * 11008 bytes, and takes nothing less (PTRACE_SETREGSET: EFAULT), so no guest process would ever start. Here, the rest is
 * filled in with what the process has: AMX is the guest's own affair anyway, which doesn't know of it.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* More than any processor has. */
#define MOST 65536

/* What ptrace(2) of the kernel does: 0 or more, or -1 and errno. */
static long call(long request, pid_t pid, void *address, void *data)
{
	return syscall(SYS_ptrace, request, pid, address, data);
}

static long set_all_registers(pid_t pid, void *type, const struct iovec *given)
{
	static char all[MOST];
	struct iovec whole = {.iov_base = all, .iov_len = sizeof all};

	if (call(PTRACE_GETREGSET, pid, type, &whole) < 0)
		return -1;
	memcpy(all, given->iov_base, given->iov_len < whole.iov_len ? given->iov_len : whole.iov_len);
	return call(PTRACE_SETREGSET, pid, type, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	pid_t pid;
	void *address, *data;
	long word, result;

	va_start(arguments, request);
	pid = va_arg(arguments, pid_t);
	address = va_arg(arguments, void *);
	data = va_arg(arguments, void *);
	va_end(arguments);
	if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE)
		return set_all_registers(pid, address, data);
	/* The C library returns what the kernel stores. */
	if (request != PTRACE_PEEKTEXT && request != PTRACE_PEEKDATA && request != PTRACE_PEEKUSER)
		return call(request, pid, address, data);
	result = call(request, pid, address, &word);
	return result < 0 ? result : word;
}
