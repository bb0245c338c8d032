/* runHook: what a hook is given, and that it can't hold us up (docs: cases H1 to H6 of the hooks). */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signals.h"

#define SECOND INT64_C(1000000000)

/* Runs a script with sh; the result is in `call`. */
static int run(struct host_call *call, const char *script, const char *input, int64_t timeout_ms)
{
	return CALL(call, runHook, hv_str("/bin/sh"), LIST(hv_str("sh"), hv_str("-c"), hv_str(script)),
		    LIST(hv_str("PATH=/usr/bin:/bin")), hv_str("/tmp"), hv_str(input), hv_int(timeout_ms));
}

static const struct hv *output(const struct host_call *call, size_t which)
{
	return &call->result.list.items[which];
}

static void expect(const char *script, const char *input, int64_t status, const char *out, const char *err)
{
	struct host_call call;

	CHECK(run(&call, script, input, 0) == 0, "%s: %s", script, why(&call));
	if (call.result.kind == HV_LIST) {
		CHECK(output(&call, 0)->integer == status, "%s: outcome %d", script, (int)output(&call, 0)->integer);
		CHECK(is_text(output(&call, 1), out), "%s: stdout %s", script, output(&call, 1)->str.ptr);
		CHECK(is_text(output(&call, 2), err), "%s: stderr %s", script, output(&call, 2)->str.ptr);
	}
	host_call_end(&call);
}

static void gives_exactly_what_it_should(void)
{
	int leaked = fcntl(STDERR_FILENO, F_DUPFD, 50);
	sigset_t blocked, before;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	signal(SIGPIPE, SIG_IGN);
	expect("cat; echo problem >&2; exit 3", "{\"id\":\"x\"}", 3, "{\"id\":\"x\"}", "problem\n");
	expect("cat", "", 0, "", "");
	expect("tr '\\0' '\\n' </proc/$$/environ; pwd", "", 0, "PATH=/usr/bin:/bin\n/tmp\n", "");
	/* 0, 1, 2 and the folder that ls reads */
	expect("ls /proc/self/fd", "", 0, "0\n1\n2\n3\n", "");
	expect("grep -E '^Sig(Blk|Ign)' /proc/self/status", "", 0,
	       "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n", "");
	/* its own session and process group */
	expect("set -- $(cut -d' ' -f5,6 /proc/$$/stat); [ $1 = $$ ] && [ $2 = $$ ]", "", 0, "", "");
	expect("kill -TERM $$", "", -SIGTERM, "", "");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(leaked);
}

static void tells_what_cannot_start(void)
{
	struct host_call call;

	CHECK(CALL(&call, runHook, hv_str("/nowhere/hook"), LIST(hv_str("hook")), LIST(), hv_str("/"), hv_str(""),
		   hv_int(0)) < 0 && strcmp(why(&call), "execve /nowhere/hook: errno 2") == 0, "%s", why(&call));
	host_call_end(&call);
	CHECK(CALL(&call, runHook, hv_str("/bin/sh"), LIST(hv_str("sh")), LIST(), hv_str("/nowhere"), hv_str(""),
		   hv_int(0)) < 0 && strcmp(why(&call), "chdir /nowhere: errno 2") == 0, "%s", why(&call));
	host_call_end(&call);
	CHECK(CALL(&call, runHook, hv_str("/etc"), LIST(hv_str("sh")), LIST(), hv_str("/"), hv_str(""),
		   hv_int(0)) < 0 && call.failure.err == EACCES, "%s", why(&call));
	host_call_end(&call);
}

/* Larger than any pipe, and never read. */
static void need_not_read_its_input(void)
{
	enum { BYTES = 4 << 20 };
	char *input = malloc(BYTES + 1);

	if (input == NULL)
		abort();
	memset(input, 'i', BYTES);
	input[BYTES] = '\0';
	expect("exit 0", input, 0, "", "");
	expect("wc -c", input, 0, "4194304\n", "");
	free(input);
}

static void keeps_the_end_of_a_flood(void)
{
	struct host_call call;

	CHECK(run(&call, "head -c 30000000 /dev/zero | tr '\\0' x; printf 'the end'", "", 0) == 0, "%s", why(&call));
	CHECK(output(&call, 1)->str.len == 4096, "%zu bytes", output(&call, 1)->str.len);
	CHECK(strcmp(output(&call, 1)->str.ptr + 4096 - 10, "xxxthe end") == 0, "%s", output(&call, 1)->str.ptr + 4086);
	host_call_end(&call);
	/* cut between characters, and foreign bytes repaired */
	CHECK(run(&call, "yes '\xe2\x82\xac' | tr -d '\\n' | head -c 9000; printf '\\377'", "", 0) == 0, "%s",
	      why(&call));
	CHECK(strncmp(output(&call, 1)->str.ptr, "\xe2\x82\xac", 3) == 0, "begins in the middle of a character");
	CHECK(strcmp(output(&call, 1)->str.ptr + output(&call, 1)->str.len - 3, "\xef\xbf\xbd") == 0, "not repaired");
	host_call_end(&call);
}

static void is_done_when_it_ends(void)
{
	struct host_call call;
	int64_t start = time_now();

	/* a child of its own keeps the output open, silently or not */
	expect("sleep 5 & echo started", "", 0, "started\n", "");
	CHECK(time_now() - start < 3 * SECOND, "waited for a grandchild");
	start = time_now();
	CHECK(run(&call, "yes & exit 4", "", 0) == 0 && output(&call, 0)->integer == 4, "%s", why(&call));
	CHECK(time_now() - start < 3 * SECOND, "waited for a grandchild's flood");
	host_call_end(&call);
}

/* Whether processes with this argument are left; killed ones take a moment to go. */
static int are_left(const char *argument)
{
	char command[200];
	int left = 1;

	snprintf(command, sizeof command, "ps -e -o args | grep -q '^sleep %s$'", argument);
	for (int tries = 0; left && tries < 50; tries++) {
		left = system(command) == 0;
		if (left)
			usleep(20000);
	}
	return left;
}

/* A script with %1$d for a number that no other run of this test has at the same time. */
#define WITH_NUMBER(script) (snprintf(text, sizeof text, script, 1000000 + getpid()), text)
static char text[200];

static void is_killed_at_the_timeout(void)
{
	struct host_call call;
	int64_t start = time_now();

	/* with its children, even if it ignores all it can and floods */
	CHECK(run(&call, WITH_NUMBER("trap '' TERM INT HUP; sleep %1$d & yes & sleep %1$d"), "", 300) == 0, "%s", why(&call));
	CHECK(is_text(output(&call, 0), "timeout"), "outcome");
	CHECK(time_now() - start >= 3 * SECOND / 10 && time_now() - start < 3 * SECOND, "after %lld ms",
	      (long long)((time_now() - start) / 1000000));
	CHECK(!are_left(WITH_NUMBER("%1$d")), "its children live");
	host_call_end(&call);
	start = time_now();
	CHECK(run(&call, "kill -STOP $$", "", 200) == 0 && is_text(output(&call, 0), "timeout"), "%s", why(&call));
	host_call_end(&call);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a child is left");
}

static void *signal_soon(void *nothing)
{
	usleep(200000);
	kill(getpid(), SIGTERM);
	return nothing;
}

static void ends_when_we_are_told_to(void)
{
	struct host_call call;
	pthread_t thread;
	int64_t start = time_now();

	CHECK(CALL(&call, catchSignals) == 0, "%s", why(&call));
	host_call_end(&call);
	CHECK(pthread_create(&thread, NULL, signal_soon, NULL) == 0, "pthread_create");
	CHECK(run(&call, WITH_NUMBER("sleep %1$d"), "", 0) < 0 && call.failure.err == EINTR, "%s", why(&call));
	CHECK(time_now() - start < 5 * SECOND && !are_left(WITH_NUMBER("%1$d")), "the hook lives");
	host_call_end(&call);
	pthread_join(thread, NULL);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a child is left");
}

int main(void)
{
	int before = open_descriptors();

	gives_exactly_what_it_should();
	tells_what_cannot_start();
	need_not_read_its_input();
	keeps_the_end_of_a_flood();
	is_done_when_it_ends();
	is_killed_at_the_timeout();
	CHECK(open_descriptors() == before, "%d descriptors are left open", open_descriptors() - before);
	ends_when_we_are_told_to();
	return checked("hook");
}
