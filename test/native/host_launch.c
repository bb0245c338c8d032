/* launch, and the dialogue with init, against a stand-in (standin/init.c) that tells what it was given. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "plan.h"
#include "signals.h"

struct launched {
	int pid, pidfd, socket;
};

/* A plan with one operation; the stand-in does not read it. */
static int launch(int64_t flags, int cgroup, struct hv *slots, size_t count, const int stdio[3], struct launched *init,
		  char *failure)
{
	struct host_call call;
	int result = CALL(&call, launch, LIST(LIST(hv_int(OP_exec))),
			  LIST(hv_int(flags), hv_int(cgroup), {.kind = HV_LIST, .list = {slots, count}},
			       LIST(hv_int(stdio[0]), hv_int(stdio[1]), hv_int(stdio[2]))));

	if (result == 0) {
		const struct hv *answer = call.result.list.items;

		*init = (struct launched){(int)answer[0].integer, (int)answer[1].integer, (int)answer[2].integer};
	}
	snprintf(failure, 512, "%s", result == 0 ? "" : why(&call));
	host_call_end(&call);
	return result;
}

static const int no_stdio[3] = {-1, -1, -1};

/* Receives one message into these (text of 4096 bytes); false at the end of file or a failure. */
static bool receive(const struct launched *init, int64_t *kind, char *text, int *fd)
{
	struct host_call call;
	bool got = CALL(&call, receive, hv_int(init->socket), hv_int(5000)) == 0 && call.result.kind == HV_LIST;

	if (got) {
		*kind = call.result.list.items[0].integer;
		snprintf(text, 4096, "%s", call.result.list.items[4].str.ptr);
		*fd = (int)call.result.list.items[5].integer;
	}
	host_call_end(&call);
	return got;
}

static void go(const struct launched *init, int fd, int expected)
{
	struct host_call call;
	int result = CALL(&call, go, hv_int(init->socket), hv_int(fd));

	CHECK((result == 0 ? 0 : call.failure.err) == expected, "%s", why(&call));
	host_call_end(&call);
}

/* Where it does not matter how init ends. */
#define ANY_STATUS (-1)

/* Reaps init, which must end with this status. */
static void finish(struct launched *init, int64_t status)
{
	struct host_call call;

	CHECK(CALL(&call, reap, hv_int(init->pidfd), hv_bool(true)) == 0, "%s", why(&call));
	CHECK(call.result.kind == HV_LIST, "no status");
	CHECK(status == ANY_STATUS || call.result.list.items[0].integer == status, "ended with %d",
	      (int)call.result.list.items[0].integer);
	host_call_end(&call);
	FAILS(ECHILD, reap, hv_int(init->pidfd), hv_bool(false));
	close(init->pidfd);
	close(init->socket);
}

static unsigned long inode_of(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) < 0 ? 0 : (unsigned long)stat.st_ino;
}

/* ---- what init is given ---------------------------------------------------------------------------------------- */

/* Many slots, in an order in which every one is in another's way; around it a caller as careless as can be. */
static void gives_exactly_what_it_should(size_t count)
{
	struct hv slots[400];
	struct launched init;
	char text[4096] = "", failure[512], expected[8192];
	int64_t kind = 0;
	int fd = -1, files[400], used, leaked;
	const char *rest;
	sigset_t blocked, before;

	for (size_t i = 0; i < count; i++) {
		files[i] = memfd_create("slot", MFD_CLOEXEC);
		slots[count - 1 - i] = hv_int(files[i]);
	}
	/* not close-on-exec, and the slots 0 and 1 are our own standard streams */
	leaked = fcntl(STDERR_FILENO, F_DUPFD, 900);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	CHECK(launch(0, -1, slots, count, (int[]){-1, files[0], files[0]}, &init, failure) == 0, "%s", failure);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	CHECK(receive(&init, &kind, text, &fd) && kind == MESSAGE_REACHED && fd == -1, "%s", text);
	used = snprintf(expected, sizeof expected, "tsrunc-init %d 0 0 0 ", init.pid);
	CHECK(strncmp(text, expected, (size_t)used) == 0, "%s, expected %s", text, expected);
	/* 0 is /dev/null; 3 and 4 are init's own */
	rest = text + used;
	for (int skip = 0; skip < 5 && rest != NULL; skip++) {
		CHECK(skip == 0 || skip > 2 || strtoul(rest, NULL, 10) == inode_of(files[0]), "descriptor %d", skip);
		CHECK(*rest != '-', "descriptor %d is closed", skip);
		rest = strchr(rest, ' ') == NULL ? NULL : strchr(rest, ' ') + 1;
	}
	for (size_t i = 0, at = 0; i < count; i++)
		at += (size_t)sprintf(expected + at, i == 0 ? "%lu" : " %lu", inode_of(files[count - 1 - i]));
	CHECK(count == 0 ? rest == NULL : rest != NULL && strcmp(rest, expected) == 0, "slots:\n%s\n%s", rest,
	      expected);
	go(&init, -1, 0);
	CHECK(receive(&init, &kind, text, &fd) && kind == MESSAGE_NOTE, "kind %d", (int)kind);
	CHECK(strcmp(text, "no descriptor") == 0, "%s", text);
	CHECK(receive(&init, &kind, text, &fd), "no answer");
	close(fd);
	CHECK(!receive(&init, &kind, text, &fd), "more messages");
	finish(&init, 7);
	close(leaked);
	for (size_t i = 0; i < count; i++)
		close(files[i]);
}

/* Nobody can change the program: not by its link in /proc, and it is no file of the host. */
static void runs_a_sealed_copy(void)
{
	const int seals = KERNEL_F_SEAL_SEAL | KERNEL_F_SEAL_SHRINK | KERNEL_F_SEAL_GROW | KERNEL_F_SEAL_WRITE;
	char text[4096] = "", failure[512], link[64];
	struct launched init;
	int64_t kind = 0;
	int fd = -1, pair[2];

	CHECK(launch(0, -1, NULL, 0, no_stdio, &init, failure) == 0, "%s", failure);
	CHECK(receive(&init, &kind, text, &fd), "no message");
	snprintf(link, sizeof link, "/proc/%d/exe", init.pid);
	CHECK(open(link, O_WRONLY) < 0 && open(link, O_RDWR) < 0, "the program can be opened for writing");
	/* a descriptor goes with GO */
	CHECK(pipe2(pair, O_CLOEXEC) == 0 && write(pair[1], "hello", 5) == 5, "pipe2");
	go(&init, pair[0], 0);
	close(pair[0]);
	close(pair[1]);
	CHECK(receive(&init, &kind, text, &fd) && strcmp(text, "hello") == 0, "%s", text);
	/* and one comes back: the program itself */
	CHECK(receive(&init, &kind, text, &fd) && kind == MESSAGE_FD && fd >= 0, "no descriptor");
	CHECK(strcmp(text, "/memfd:tsrunc-init (deleted)") == 0, "%s", text);
	CHECK((fcntl(fd, KERNEL_F_GET_SEALS) & seals) == seals, "seals %x", fcntl(fd, KERNEL_F_GET_SEALS));
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC, "not close-on-exec");
	/* Linux 6.3 and newer */
	if ((fcntl(fd, KERNEL_F_GET_SEALS) & KERNEL_F_SEAL_EXEC) != 0)
		CHECK(fchmod(fd, 0400) < 0, "its mode can be changed");
	close(fd);
	finish(&init, 7);
}

/* In a pid namespace with its own procfs, where vm.memfd_noexec is 2 from now on. */
static int launch_without_executable_memfds(void)
{
	char text[4096] = "", failure[512], link[64];
	struct launched init;
	int64_t kind = 0;
	int fd = -1, setting;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0)
		return 1;
	setting = open("/proc/sys/vm/memfd_noexec", O_WRONLY | O_CLOEXEC);
	if (setting < 0 || write(setting, "2", 1) != 1)
		return puts("launch: this kernel has no vm.memfd_noexec: not tested") < 0;
	close(setting);
	CHECK(launch(0, -1, NULL, 0, no_stdio, &init, failure) == 0, "%s", failure);
	CHECK(receive(&init, &kind, text, &fd), "no message");
	snprintf(link, sizeof link, "/proc/%d/exe", init.pid);
	CHECK(open(link, O_WRONLY) < 0 && errno == ETXTBSY, "errno %d", errno);
	go(&init, -1, 0);
	CHECK(receive(&init, &kind, text, &fd) && receive(&init, &kind, text, &fd), "no message");
	CHECK(strstr(text, "/#") != NULL && strstr(text, " (deleted)") != NULL, "%s", text);
	close(fd);
	finish(&init, 7);
	fflush(NULL);
	return failures;
}

static void runs_without_executable_memfds(void)
{
	int status = -1;
	pid_t outer;

	if (geteuid() != 0) {
		puts("launch: vm.memfd_noexec needs root: not tested");
		return;
	}
	fflush(NULL);
	outer = fork();
	if (outer == 0) {
		pid_t inner = unshare(CLONE_NEWPID | CLONE_NEWNS) < 0 ? -1 : fork();

		if (inner == 0)
			_exit(launch_without_executable_memfds());
		_exit(waitpid(inner, &status, 0) == inner && WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	CHECK(waitpid(outer, &status, 0) == outer && WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

/* Who starts us may ignore SIGCHLD, and that is inherited: then nobody would learn how a child ended. */
static void children_do_not_vanish(void)
{
	char failure[512];
	struct launched init;

	signal(SIGCHLD, SIG_IGN);
	CHECK(launch(0, -1, NULL, 0, no_stdio, &init, failure) == 0, "%s", failure);
	shutdown(init.socket, SHUT_WR);
	finish(&init, 101);
	signal(SIGCHLD, SIG_DFL);
}

static void makes_namespaces(void)
{
	char text[4096] = "", failure[512];
	struct launched init;
	int64_t kind = 0;
	int fd = -1;

	if (geteuid() != 0) {
		puts("launch: new namespaces need root: not tested");
		return;
	}
	CHECK(launch(CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWNS, -1, NULL, 0, no_stdio, &init, failure) == 0, "%s",
	      failure);
	CHECK(receive(&init, &kind, text, &fd) && strncmp(text, "tsrunc-init 1 ", 14) == 0, "%s", text);
	/* as soon as the other side is gone, so is it */
	close(init.socket);
	init.socket = -1;
	finish(&init, 101);
}

/* ---- what goes wrong ------------------------------------------------------------------------------------------- */

static void fails_cleanly(void)
{
	struct rlimit before, few = {.rlim_cur = 12};
	struct hv slots[40];
	struct launched init;
	char failure[512];

	slots[0] = hv_int(999);
	CHECK(launch(0, -1, slots, 1, no_stdio, &init, failure) < 0 &&
		      strcmp(failure, "fcntl F_DUPFD_CLOEXEC init: errno 9") == 0, "%s", failure);
	CHECK(launch(CLONE_VM, -1, NULL, 0, no_stdio, &init, failure) < 0, "not refused");
	CHECK(strstr(failure, "cloneFlags") != NULL, "%s", failure);
	/* no cgroup's folder */
	CHECK(launch(0, STDIN_FILENO, NULL, 0, no_stdio, &init, failure) < 0, "not refused");
	CHECK(strncmp(failure, "clone3 init", 11) == 0, "%s", failure);
	for (int i = 0; i < 40; i++)
		slots[i] = hv_int(STDERR_FILENO);
	getrlimit(RLIMIT_NOFILE, &before);
	few.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	CHECK(launch(0, -1, slots, 40, no_stdio, &init, failure) < 0, "not refused");
	CHECK(strstr(failure, "F_DUPFD") != NULL, "%s", failure);
	setrlimit(RLIMIT_NOFILE, &before);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a child is left");
}

static void refuses_malformed_messages(void)
{
	static const char short_one[] = {1, 0, 0, 0};
	char unended[sizeof(struct init_message) + 4], many[MESSAGE_MAX + 1] = {0};
	struct host_call call;
	int pair[2];

	memset(unended, 'x', sizeof unended);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	send(pair[1], short_one, sizeof short_one, 0);
	send(pair[1], unended, sizeof unended, 0);
	send(pair[1], many, sizeof many, 0);
	for (int i = 0; i < 3; i++)
		FAILS(EPROTO, receive, hv_int(pair[0]), hv_int(1000));
	FAILS(ETIMEDOUT, receive, hv_int(pair[0]), hv_int(20));
	close(pair[1]);
	CHECK(CALL(&call, receive, hv_int(pair[0]), hv_int(20)) == 0 && call.result.kind == HV_NONE, "end of file");
	host_call_end(&call);
	go(&(struct launched){.socket = pair[0]}, -1, EPIPE);
	close(pair[0]);
}

/* ---- signals --------------------------------------------------------------------------------------------------- */

static void *idle(void *nothing)
{
	sleep(1000);
	return nothing;
}

/* A signal ends one wait, whichever thread the kernel gives it to; after that waiting works again. */
static void signals_end_a_wait(void)
{
	struct host_call call;
	pthread_t thread;
	int pair[2];

	CHECK(pthread_create(&thread, NULL, idle, NULL) == 0, "pthread_create");
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	CHECK(CALL(&call, catchSignals) == 0, "%s", why(&call));
	host_call_end(&call);
	pthread_kill(thread, SIGTERM);
	FAILS(EINTR, receive, hv_int(pair[0]), hv_int(-1));
	FAILS(ETIMEDOUT, receive, hv_int(pair[0]), hv_int(20));
	kill(getpid(), SIGINT);
	FAILS(EINTR, poll, LIST(hv_int(pair[0])), hv_int(-1));
	CHECK(CALL(&call, caughtSignal) == 0 && call.result.integer == SIGTERM, "%lld", (long long)call.result.integer);
	host_call_end(&call);
	close(pair[0]);
	close(pair[1]);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
}

/* Other threads hold locks of the C library all the time; the child must not need them. */
static void *busy(void *stop)
{
	while (!*(volatile bool *)stop)
		free(malloc(100));
	return NULL;
}

static void launches_beside_threads(void)
{
	enum { TIMES = 50 };
	volatile bool stop = false;
	char failure[512];
	pthread_t thread;
	int64_t spent = 0;

	CHECK(pthread_create(&thread, NULL, busy, (void *)(uintptr_t)&stop) == 0, "pthread_create");
	for (int i = 0; i < TIMES; i++) {
		struct launched init;
		int64_t start = time_now();

		CHECK(launch(0, -1, NULL, 0, no_stdio, &init, failure) == 0, "%s", failure);
		spent += time_now() - start;
		close(init.socket);
		init.socket = -1;
		finish(&init, ANY_STATUS);
	}
	stop = true;
	pthread_join(thread, NULL);
	printf("launch: %lld us each\n", (long long)(spent / TIMES / 1000));
}

int main(void)
{
	int before = open_descriptors();

	signal(SIGPIPE, SIG_DFL);
	gives_exactly_what_it_should(0);
	gives_exactly_what_it_should(7);
	gives_exactly_what_it_should(300);
	runs_a_sealed_copy();
	runs_without_executable_memfds();
	children_do_not_vanish();
	makes_namespaces();
	fails_cleanly();
	refuses_malformed_messages();
	launches_beside_threads();
	CHECK(open_descriptors() == before, "%d descriptors are left open", open_descriptors() - before);
	signals_end_a_wait();
	return checked("launch");
}
