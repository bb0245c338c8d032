/*
 * Installs a filter and makes system calls under it, for kernel.test.ts.
 *
 *   probe FILTER < calls
 *
 * FILTER holds struct sock_filter[]. A call is a line "ABI NUMBER ARG0 .. ARG5"; ABI is 64 (also for x32, whose numbers
 * have bit 30 set) or 32, which enters the kernel by int 0x80. For each one a child installs the filter, makes the
 * call and ends; a line on standard output says "return VALUE" or "signal NUMBER".
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_INSTRUCTIONS 4096

struct call {
	int abi;
	uint64_t number;
	uint64_t args[6];
};

/* What the child saw; it may not be allowed to write it anywhere else. */
struct seen {
	int done;
	int64_t value;
};

static int64_t enter(const struct call *call)
{
	const uint64_t *a = call->args;
#if defined(__x86_64__)
	int64_t value;
	if (call->abi == 32) {
		/* rbp is the frame's: it carries the sixth argument only in between, saved below the red zone. */
		__asm__ volatile("sub $128, %%rsp\n\tpush %%rbp\n\tmov %8, %%rbp\n\tint $0x80\n\tpop %%rbp\n\t"
				 "add $128, %%rsp"
				 : "=a"(value)
				 : "a"(call->number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4]), "0"(call->number),
				   "r"(a[5])
				 : "memory", "r8", "r9", "r10", "r11");
		return (int32_t)value;
	}
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	__asm__ volatile("syscall"
			 : "=a"(value)
			 : "a"(call->number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return value;
#else
	long value = syscall((long)call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	return value < 0 ? -errno : value;
#endif
}

static _Noreturn void child(const struct sock_fprog *filter, const struct call *call, volatile struct seen *seen)
{
	static const struct rlimit no_core = {0, 0};
	setrlimit(RLIMIT_CORE, &no_core);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) < 0) {
		perror("probe: cannot install the filter");
		_exit(125);
	}
	seen->value = enter(call);
	seen->done = 1;
	/* The filter may refuse even this. */
	syscall(SYS_exit_group, 0);
	__builtin_trap();
}

static int try_call(const struct sock_fprog *filter, const struct call *call, volatile struct seen *seen)
{
	int status;
	seen->done = 0;
	pid_t pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0)
		child(filter, call, seen);
	if (waitpid(pid, &status, 0) < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 125))
		return -1;
	if (seen->done)
		printf("return %" PRId64 "\n", seen->value);
	else
		printf("signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	return 0;
}

int main(int argc, char **argv)
{
	static struct sock_filter instructions[MAX_INSTRUCTIONS];
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
	if (!file) {
		fprintf(stderr, "usage: probe FILTER < calls\n");
		return 2;
	}
	size_t count = fread(instructions, sizeof instructions[0], MAX_INSTRUCTIONS, file);
	struct sock_fprog filter = {(unsigned short)count, instructions};
	struct seen *seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return 2;
	/* Children would print what is in the buffer again. */
	setvbuf(stdout, NULL, _IONBF, 0);
	struct call call;
	uint64_t *a = call.args;
	while (scanf("%d %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &call.abi,
		     &call.number, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) == 8)
		if (try_call(&filter, &call, seen) < 0)
			return 2;
	return 0;
}
