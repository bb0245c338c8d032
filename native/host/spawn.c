/*
 * Starting a program, the way vfork does: the child runs in our memory, on a stack of its own, until it executes. So
 * nothing is copied, and it can tell us by a plain variable what failed. The price: another thread of ours may hold any
 * lock at that moment, so the child makes system calls and does nothing else: no allocation, no stdio, no C library
 * state. All signals are blocked meanwhile, as our handlers would run in it.
 */
#include "spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "fd.h"
#include "kernel.h"

#define STACK_BYTES 16384
#define LAST_SIGNAL 64
#define MASK_BYTES 8 /* the kernel's signal set */

struct child {
	const struct spawn *spawn;
	int *high; /* where descriptors wait for their turn: one per descriptor, then one for the program */
	int null;
	/* what the child tells before it ends */
	volatile int err;
	const char *volatile failed;
};

/* ---- in the child ------------------------------------------------------------------------------------------------ */

CHILD_CODE static void give_up(struct child *c, const char *what)
{
	c->err = errno;
	c->failed = what;
	for (;;)
		syscall(SYS_exit_group, 127);
}

/* The kernel's struct sigaction is handler, flags, restorer, mask: all zero is the default. */
CHILD_CODE static void reset_signals(void)
{
	static const unsigned long default_action[4];

	for (int signal = 1; signal <= LAST_SIGNAL; signal++)
		syscall(SYS_rt_sigaction, signal, default_action, NULL, MASK_BYTES);
}

/* Closes what the caller of the runtime left open, at the latest when the program runs. */
CHILD_CODE static void close_others(int first, int program)
{
	if (syscall(CALL_CLOSE_RANGE, first, ~0u, KERNEL_CLOSE_RANGE_CLOEXEC) == 0)
		return;
	/* Linux 5.10 can only close at once. The program's own descriptor is close-on-exec anyway. */
	if (program > first)
		syscall(CALL_CLOSE_RANGE, first, program - 1, 0);
	syscall(CALL_CLOSE_RANGE, program >= first ? program + 1 : first, ~0u, 0);
}

/*
 * Moves everything out of the way first, then to its number: in one go a descriptor could be overwritten before it is
 * moved itself.
 */
CHILD_CODE static void arrange_descriptors(struct child *c)
{
	const struct spawn *s = c->spawn;
	int count = (int)s->fd_count;

	for (int i = 0; i < count; i++) {
		c->high[i] = (int)syscall(SYS_fcntl, s->fds[i] < 0 ? c->null : s->fds[i], F_DUPFD_CLOEXEC, count);
		if (c->high[i] < 0)
			give_up(c, "fcntl F_DUPFD_CLOEXEC");
	}
	if (s->program >= 0) {
		c->high[count] = (int)syscall(SYS_fcntl, s->program, F_DUPFD_CLOEXEC, count);
		if (c->high[count] < 0)
			give_up(c, "fcntl F_DUPFD_CLOEXEC");
	}
	for (int i = 0; i < count; i++)
		if (syscall(SYS_dup3, c->high[i], i, 0) < 0)
			give_up(c, "dup3");
	close_others(count, s->program >= 0 ? c->high[count] : -1);
}

CHILD_CODE static void child_main(void *argument)
{
	static const unsigned long no_signals;
	struct child *c = argument;
	const struct spawn *s = c->spawn;

	reset_signals();
	if (s->new_session)
		syscall(SYS_setsid);
	if (s->cwd != NULL && syscall(SYS_chdir, s->cwd) < 0)
		give_up(c, "chdir");
	arrange_descriptors(c);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, MASK_BYTES);
	if (s->program >= 0)
		syscall(SYS_execveat, c->high[s->fd_count], "", s->argv, s->envp, KERNEL_AT_EMPTY_PATH);
	else
		syscall(SYS_execve, s->path, s->argv, s->envp);
	give_up(c, "execve");
}

/* clone3(2); the child calls run(argument) on the stack that args name, and never returns from here. */
CHILD_CODE static long clone_and_run(struct kernel_clone_args *args, void (*run)(void *), void *argument)
{
#if defined(__x86_64__)
	register void (*run_in)(void *) __asm__("r8") = run;
	register void *argument_in __asm__("r9") = argument;
	long result;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t" /* the end of the chain of frames */
			 "mov %%r9, %%rdi\n\t"
			 "call *%%r8\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(result)
			 : "0"((long)CALL_CLONE3), "D"(args), "S"(sizeof *args), "r"(run_in), "r"(argument_in)
			 : "rcx", "r11", "cc", "memory");
#elif defined(__aarch64__)
	register long number __asm__("x8") = CALL_CLONE3;
	register void *args_in __asm__("x0") = args;
	register size_t size_in __asm__("x1") = sizeof *args;
	register void (*run_in)(void *) __asm__("x2") = run;
	register void *argument_in __asm__("x3") = argument;
	long result;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t" /* the end of the chain of frames */
			 "mov x30, xzr\n\t"
			 "mov x0, x3\n\t"
			 "blr x2\n\t"
			 "brk #0\n"
			 "1:"
			 : "+r"(args_in)
			 : "r"(number), "r"(size_in), "r"(run_in), "r"(argument_in)
			 : "cc", "memory", "x30");
	result = (long)args_in;
#else
#error "clone3 is written for x86_64 and aarch64"
#endif
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

/* ---- in the parent ----------------------------------------------------------------------------------------------- */

/* Removes a child that could not execute. */
static void bury(int pidfd)
{
	siginfo_t info;

	while (waitid((idtype_t)KERNEL_P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		continue;
}

/* A caller that ignores SIGCHLD has handed that on to us: children would vanish without telling how they ended. */
static void keep_zombies(void)
{
	struct sigaction present;

	if (sigaction(SIGCHLD, NULL, &present) == 0 && present.sa_handler == SIG_IGN)
		signal(SIGCHLD, SIG_DFL);
}

int run_apart(void (*run)(void *), void *argument, struct arena *arena)
{
	const unsigned long all_signals = ~0ul;
	struct kernel_clone_args args = {
		/* no signal tells of its end: it is nobody's child but ours */
		.flags = KERNEL_CLONE_VM | KERNEL_CLONE_FILES | KERNEL_CLONE_VFORK,
		.stack_size = STACK_BYTES,
	};
	char *stack = arena_alloc(arena, STACK_BYTES);
	unsigned long before;
	int err;
	long pid;

	if (stack == NULL) {
		errno = ENOMEM;
		return -1;
	}
	args.stack = (uint64_t)(uintptr_t)stack;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, &before, MASK_BYTES);
	pid = clone_and_run(&args, run, argument);
	err = errno;
	while (pid > 0 && waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
		continue;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, MASK_BYTES);
	errno = err;
	return pid < 0 ? -1 : 0;
}

static int start(struct spawn *spawn, struct child *child, struct kernel_clone_args *args)
{
	const unsigned long all_signals = ~0ul;
	unsigned long before;
	long pid;

	/* The raw call: the C library's keeps two signals of its own unblocked. */
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, &before, MASK_BYTES);
	pid = clone_and_run(args, child_main, child);
	if (pid < 0) {
		child->err = errno;
		child->failed = "clone3";
	} else {
		spawn->pid = (int)pid;
		if (child->failed != NULL)
			bury(spawn->pidfd);
	}
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, MASK_BYTES);
	if (child->failed == NULL)
		return 0;
	if (pid >= 0)
		fd_close(&spawn->pidfd);
	spawn->failed = child->failed;
	errno = child->err;
	return -1;
}

static bool needs_null(const struct spawn *spawn)
{
	for (size_t i = 0; i < spawn->fd_count; i++)
		if (spawn->fds[i] < 0)
			return true;
	return false;
}

int spawn(struct spawn *spawn, struct arena *arena)
{
	struct child child = {.spawn = spawn};
	struct kernel_clone_args args = {
		.flags = spawn->namespaces | KERNEL_CLONE_VM | KERNEL_CLONE_VFORK | KERNEL_CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&spawn->pidfd,
		.exit_signal = SIGCHLD,
		.stack_size = STACK_BYTES,
	};
	OWNED_FD null = -1;
	char *stack = arena_alloc(arena, STACK_BYTES);

	child.high = arena_array(arena, spawn->fd_count + 1, sizeof *child.high);
	spawn->failed = "malloc";
	if (stack == NULL || child.high == NULL) {
		errno = ENOMEM;
		return -1;
	}
	spawn->failed = "open /dev/null";
	if (needs_null(spawn) && (null = fd_open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
		return -1;
	child.null = null;
	args.stack = (uint64_t)(uintptr_t)stack;
	if (spawn->cgroup >= 0) {
		args.flags |= KERNEL_CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)spawn->cgroup;
	}
	keep_zombies();
	return start(spawn, &child, &args);
}
