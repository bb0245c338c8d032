/*
 * Starts from nothing it wasn't given: checks that it is really the runtime that runs it, drops all that was
 * inherited, reads the whole plan, then does one operation after the other.
 *
 * Somebody in the container may execute this program through /proc/PID/exe. Then descriptors 3 and 4 are not what they
 * must be and it ends without a word. It reads no environment and no arguments.
 */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "kernel.h"

#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#endif
#define SEALED 0x0f /* seal, shrink, grow, write */

/* What small allocations are cut from: a page each would count against the container's memory limit. */
#define SHARED_BYTES 16384

#define USUAL_TIMER_SLACK_NS 50000

/* Everything that the table has an operation for. */
static int run(struct init *in, const struct plan_op *op, struct failure *why)
{
	switch (op->number) {
#define OP(name, number, fields) \
	case OP_##name: \
		return run_##name(in, &op->as.name, why);
#define F(kind, name)
#include "plan.def"
#undef OP
#undef F
	}
	return FAIL(why, ENOSYS, "plan", "unknown operation");
}

uint64_t monotonic(void)
{
	int64_t now[2] = {0}; /* seconds, nanoseconds */

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, now);
	return (uint64_t)now[0] * 1000000000 + (uint64_t)now[1];
}

void *map_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void *allocate(size_t bytes)
{
	static char *rest;
	static size_t left;
	char *memory;

	bytes = (bytes + 7) & ~(size_t)7;
	if (bytes > left) {
		left = bytes < SHARED_BYTES ? SHARED_BYTES : bytes;
		rest = map_memory(left);
		if (rest == NULL) {
			left = 0;
			return NULL;
		}
	}
	memory = rest;
	rest += bytes;
	left -= bytes;
	return memory;
}

const char **pointers_of(struct plan_strs list, size_t more)
{
	const char **pointers = allocate((list.count + more + 1) * sizeof(*pointers));

	for (size_t i = 0; pointers != NULL && list.count > 0; i++)
		pointers[i] = plan_strs_next(&list).ptr;
	return pointers;
}

void reset_signals(void)
{
	/* as the kernel has it: handler, flags, restorer, mask; all zero is the default action */
	const unsigned long usual[4] = {0};
	const uint64_t none = 0;

	/* not through the C library, which keeps some signals to itself */
	for (int number = 1; number <= 64; number++)
		syscall(SYS_rt_sigaction, number, usual, NULL, sizeof(none));
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

int close_from(unsigned int first, unsigned int last)
{
	/* a filter around us may not know close_range; what we open is numbered low, so few are left to try */
	const unsigned int most = first + 4096;

	if (syscall(SYS_close_range, first, last, 0) == 0)
		return 0;
	if (errno != ENOSYS && errno != EPERM)
		return -1;
	for (unsigned int fd = first; fd <= last && fd < most; fd++)
		close((int)fd);
	return 0;
}

int slot_needed(const struct init *in, uint32_t slot)
{
	struct plan rest = in->plan;
	struct plan_op op;
	const char *why;

	while (plan_next(&rest, &op, &why) > 0) {
		if (op.number == OP_join && op.as.join.slot == slot)
			return 1;
		if (op.number == OP_wait_start &&
		    (op.as.wait_start.slot == slot || op.as.wait_start.status_slot == slot))
			return 1;
		if (op.number == OP_preserve && slot >= op.as.preserve.first &&
		    slot - op.as.preserve.first < op.as.preserve.count)
			return 1;
	}
	return 0;
}

/*
 * Descriptor 3 must be the runtime's socket, 4 a memfd that nobody can change any more. Returns the plan's size, or 0.
 */
static size_t check_descriptors(void)
{
	int value, seals;
	socklen_t len = sizeof(value);
	struct stat st;

	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return 0;
	if (getsockopt(PLAN_SOCKET, SOL_SOCKET, SO_TYPE, &value, &len) < 0 || value != SOCK_SEQPACKET)
		return 0;
	if (getsockopt(PLAN_SOCKET, SOL_SOCKET, SO_DOMAIN, &value, &len) < 0 || value != AF_UNIX)
		return 0;
	seals = fcntl(PLAN_FD, F_GET_SEALS);
	if (seals < 0 || (seals & SEALED) != SEALED || fstat(PLAN_FD, &st) < 0 || st.st_size <= 0 ||
	    st.st_size > PLAN_MAX_BYTES)
		return 0;
	return (size_t)st.st_size;
}

/* Everything a process inherits that could differ from one caller to another, except what the plan sets. */
static void drop_inherited(void)
{
	reset_signals();
	umask(0);
	setsid();
	personality(0);
	prctl(PR_SET_TIMERSLACK, USUAL_TIMER_SLACK_NS);
	drop_inherited_capabilities();
	prctl(PR_SET_NAME, "tsrunc:init");
}

/* Maps and checks the plan, then closes all that it doesn't speak of. */
static int read_plan(struct init *in, size_t size, struct failure *why)
{
	const void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, PLAN_FD, 0);
	const char *fault = NULL;

	if (bytes == MAP_FAILED)
		return FAIL(why, errno, "mmap", "plan");
	close(PLAN_FD);
	if (plan_check(bytes, size, &in->plan, &fault) < 0) {
		in->op = in->plan.next;
		return FAIL(why, EBADMSG, "plan", fault);
	}
	plan_open(&in->plan, bytes, size, &fault);
	if ((in->plan.flags & PLAN_TRACE) != 0)
		in->times = allocate((in->plan.ops + 1) * sizeof(*in->times));
	if (close_from(PLAN_FIRST_SLOT + in->plan.slots, ~0u) < 0 || fcntl(PLAN_SOCKET, F_SETFD, FD_CLOEXEC) < 0)
		return FAIL(why, errno, "close_range", "inherited descriptors");
	return 0;
}

static int run_plan(struct init *in, struct failure *why)
{
	struct plan_op op;
	const char *fault;

	in->began = monotonic();
	for (;;) {
		in->op = in->plan.next;
		if (plan_next(&in->plan, &op, &fault) <= 0)
			return FAIL(why, EBADMSG, "plan", "ends without exec");
		if (op.number != OP_sysctl)
			close_fd(&in->sysctls);
		if (run(in, &op, why) < 0)
			return -1;
		if (in->times != NULL)
			in->times[in->op] = monotonic();
	}
}

/* Assigned and not initialised: so it takes no room in the program's file. */
static void begin(struct init *in)
{
	in->control = PLAN_SOCKET;
	in->status = in->root = in->proc = in->proc_fds = in->sysctls = -1;
	in->mounted_proc = in->mounted_sys = in->devpts = in->null = in->empty = in->listener = -1;
	in->umask = 0022;
}

int main(void)
{
	static struct init in;
	static struct failure why;
	size_t size;

	begin(&in);
	rearm(&in);
	size = check_descriptors();
	if (size == 0)
		_exit(1);
	drop_inherited();
	if (read_plan(&in, size, &why) == 0)
		run_plan(&in, &why);
	message_die(&in, &why);
}
