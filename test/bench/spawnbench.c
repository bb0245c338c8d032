/*
 * spawnbench: run commands of several contestants in turn and report what each took.
 *
 * Why a C program: Node's own start of a child costs several milliseconds and its memory would be counted into
 * the child's peak (the kernel carries the parent's high-water mark over an exec). This program is static and
 * tiny, so wall time and ru_maxrss are the command's own.
 *
 * stdin is the scenario, one line each, fields separated by tabs:
 *   R <rounds>            how many rounds; every contestant runs once in each
 *   C <name>              a contestant begins; the lines below belong to it
 *   T <argv...>           run a command, timed
 *   U <argv...>           run a command, not timed
 *   P <pid file>          wait, timed, until the process named in the file is gone (what a shim does after kill)
 *   X <count> <par> <argv...>   run the command <count> times, at most <par> at once, timed as a whole
 * In an argument %i stands for the round (X: round and job), so that container ids are unique.
 *
 * stdout: one line per contestant and round: name, wall nanoseconds of its timed lines, peak KiB of any of them.
 * A command that fails ends the program with its output on stderr and exit code 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_LINES = 256, MAX_ARGS = 64, MAX_JOBS = 64, MAX_TEXT = 1 << 16 };

struct line {
	char kind;
	int argc;
	char *args[MAX_ARGS];
};

static struct line lines[MAX_LINES];
static int line_count;

static void die(const char *what)
{
	fprintf(stderr, "spawnbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Replaces %i by the run's number; the result lives until the next call with the same slot. */
static char *substitute(const char *text, const char *run, char *out, size_t size)
{
	size_t used = 0;
	for (; *text && used + 32 < size; text++) {
		if (text[0] == '%' && text[1] == 'i') {
			used += (size_t)snprintf(out + used, size - used, "%s", run);
			text++;
		} else {
			out[used++] = *text;
		}
	}
	out[used] = 0;
	return out;
}

/* Starts a command with /dev/null as stdin and stdout; stderr goes to the shared scratch file. */
static pid_t launch(const struct line *line, int first, const char *run, int errors)
{
	static char text[MAX_ARGS][1024];
	char *argv[MAX_ARGS + 1];
	int n = 0;
	for (int i = first; i < line->argc; i++, n++)
		argv[n] = substitute(line->args[i], run, text[n], sizeof text[n]);
	argv[n] = NULL;
	pid_t pid = vfork();
	if (pid < 0)
		die("vfork");
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		dup2(errors, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static void show_failure(const struct line *line, int status, int errors)
{
	char text[4096];
	ssize_t n = pread(errors, text, sizeof text, 0);
	fprintf(stderr, "spawnbench: wait status %#x from:", status);
	for (int i = 0; i < line->argc; i++)
		fprintf(stderr, " %s", line->args[i]);
	fprintf(stderr, "\n%.*s\n", n > 0 ? (int)n : 0, text);
	exit(1);
}

/* Waits for one of our commands; orphans of containers that end meanwhile are reaped on the way. */
static long reap(const pid_t *pids, int count, int *which, int *status)
{
	for (;;) {
		struct rusage usage;
		pid_t pid = wait4(-1, status, 0, &usage);
		if (pid < 0)
			die("wait4");
		for (int i = 0; i < count; i++) {
			if (pids[i] == pid) {
				*which = i;
				return usage.ru_maxrss;
			}
		}
	}
}

static long run_one(const struct line *line, const char *run, int errors)
{
	int which, status;
	pid_t pid = launch(line, 0, run, errors);
	long peak = reap(&pid, 1, &which, &status);
	if (status != 0)
		show_failure(line, status, errors);
	return peak;
}

static long run_many(const struct line *line, const char *run, int errors)
{
	int count = atoi(line->args[0]), parallel = atoi(line->args[1]), started = 0, running = 0, which, status;
	pid_t pids[MAX_JOBS] = { 0 };
	long peak = 0;
	while (started < count || running > 0) {
		for (int slot = 0; slot < parallel && started < count; slot++) {
			char job[64];
			if (pids[slot] != 0)
				continue;
			snprintf(job, sizeof job, "%s-%d", run, started++);
			pids[slot] = launch(line, 2, job, errors);
			running++;
		}
		long kib = reap(pids, parallel, &which, &status);
		if (status != 0)
			show_failure(line, status, errors);
		pids[which] = 0;
		running--;
		peak = kib > peak ? kib : peak;
	}
	return peak;
}

static void wait_gone(const char *file)
{
	char text[32] = { 0 };
	int fd = open(file, O_RDONLY), status;
	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
		die(file);
	close(fd);
	pid_t pid = atoi(text);
	/* The container's init is our child once its runtime has exited, because we are the subreaper. */
	if (waitpid(pid, &status, 0) == pid)
		return;
	int process = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poller = { .fd = process, .events = POLLIN };
	if (process >= 0 && poll(&poller, 1, 10000) <= 0)
		die("the container didn't end");
	close(process);
}

static void read_scenario(int *rounds)
{
	char *text = malloc(MAX_TEXT);
	size_t length = fread(text, 1, MAX_TEXT - 1, stdin);
	text[length] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (line[0] == 'R') {
			*rounds = atoi(line + 2);
			continue;
		}
		if (line_count == MAX_LINES)
			exit(2);
		struct line *to = &lines[line_count++];
		to->kind = line[0];
		char *rest = line + 2, *field;
		while ((field = strsep(&rest, "\t")) && to->argc < MAX_ARGS - 1)
			to->args[to->argc++] = field;
	}
}

/* Runs the contestant whose lines begin after `at`. */
static void contest(int at, int round, int errors)
{
	char run[32], file[1024];
	long long wall = 0;
	long peak = 0;
	snprintf(run, sizeof run, "%d", round);
	for (int i = at + 1; i < line_count && lines[i].kind != 'C'; i++) {
		const struct line *line = &lines[i];
		long kib = 0;
		if (ftruncate(errors, 0) < 0)
			die("ftruncate");
		long long from = now();
		if (line->kind == 'X')
			kib = run_many(line, run, errors);
		else if (line->kind == 'P')
			wait_gone(substitute(line->args[0], run, file, sizeof file));
		else
			kib = run_one(line, run, errors);
		if (line->kind != 'U') {
			wall += now() - from;
			peak = kib > peak ? kib : peak;
		}
	}
	printf("%s\t%lld\t%ld\n", lines[at].args[0], wall, peak);
}

int main(void)
{
	int rounds = 1, heads[MAX_LINES], contestants = 0;
	int errors = (int)syscall(SYS_memfd_create, "stderr", 1U);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	read_scenario(&rounds);
	for (int i = 0; i < line_count; i++)
		if (lines[i].kind == 'C')
			heads[contestants++] = i;
	/* The order rotates, so that no contestant always profits from what the one before it warmed up. */
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < contestants; i++)
			contest(heads[(i + round) % contestants], round, errors);
	return 0;
}
