/*
 * caller: a careless caller. Sets up what a process inherits, option by option in the order given, then executes the
 * command after `--`. Tests use it to show what of its caller's state a container does and doesn't see.
 *
 *   --open PATH FD      open PATH (read-write, or read-only for a directory) as FD, without close-on-exec
 *   --close FD          close it
 *   --ignore N          ignore signal N              --block N         block signal N
 *   --umask OCTAL       --nice N                     --group GID       add a supplementary group
 *   --cpu N             run on that CPU only         --slack NS        timer slack
 *   --personality N     --coredump HEX               --pdeathsig N     --subreaper
 *   --nofile N          soft RLIMIT_NOFILE           --fsize N         soft RLIMIT_FSIZE
 *   --setsid            a session of its own         --listen-pid      set LISTEN_PID to the command's pid
 *   --clearenv          empty environment            --setenv K=V      --cd DIR (and remove it with --rmdir DIR)
 *   --refuse NR ERRNO   from the command on, that system call fails: an older kernel, a filter that doesn't know it
 *   --zombies           stay the parent and never reap: run the command as a child and hold until stdin closes;
 *                       the command's exit code is printed on stderr as "exit N"
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int zombies;

/* The filter of --refuse: load the number, then pairs of a comparison and an answer, then everything else is allowed. */
static struct instruction {
	uint16_t code;
	uint8_t if_true, if_false;
	uint32_t value;
} filter[64] = { { 0x20 /* load the word at */, 0, 0, 0 } };
static unsigned short filter_len = 1;

static void need(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "caller: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void open_as(const char *path, int wanted)
{
	int fd = open(path, O_RDWR);
	if (fd < 0 && errno == EISDIR)
		fd = open(path, O_RDONLY | O_DIRECTORY);
	need(fd, path);
	if (fd != wanted) {
		need(dup2(fd, wanted), path);
		close(fd);
	}
}

static void limit(int which, const char *value)
{
	struct rlimit l;
	need(getrlimit(which, &l), "getrlimit");
	l.rlim_cur = (rlim_t)atoll(value);
	need(setrlimit(which, &l), "setrlimit");
}

static void only_cpu(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	need(sched_setaffinity(0, sizeof set, &set), "affinity");
}

static void add_group(gid_t group)
{
	gid_t groups[64];
	int n = getgroups(63, groups);
	need(n, "getgroups");
	groups[n] = group;
	need(setgroups((size_t)n + 1, groups), "setgroups");
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	need(fd, path);
	need((int)write(fd, text, strlen(text)), path);
	close(fd);
}

static void block(int signal)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, signal);
	need(sigprocmask(SIG_BLOCK, &set, NULL), "block");
}

static void refuse(uint32_t number, uint32_t error)
{
	if (filter_len + 3u > sizeof filter / sizeof *filter)
		need(-1, "refuse");
	filter[filter_len++] = (struct instruction){ 0x15 /* if equal */, 0, 1, number };
	filter[filter_len++] = (struct instruction){ 0x06 /* return */, 0, 0, 0x50000 /* errno */ | error };
}

/* As root no no_new_privs is needed, which the container would inherit. */
static void load_filter(void)
{
	struct {
		unsigned short len;
		struct instruction *filter;
	} program = { filter_len + 1, filter };
	if (filter_len == 1)
		return;
	filter[filter_len] = (struct instruction){ 0x06, 0, 0, 0x7fff0000 /* allow */ };
	need(prctl(22 /* PR_SET_SECCOMP */, 2 /* filter */, &program), "seccomp");
}

/* Applies the option at argv[i]; returns the index of the next one. */
static int apply(char **argv, int i)
{
	const char *name = argv[i] + 2, *value = argv[i + 1];
	char pid[16];
	if (!strcmp(name, "open"))
		return open_as(value, atoi(argv[i + 2])), i + 3;
	if (!strcmp(name, "refuse"))
		return refuse((uint32_t)atoi(value), (uint32_t)atoi(argv[i + 2])), i + 3;
	if (!strcmp(name, "setsid"))
		return setsid(), i + 1;
	if (!strcmp(name, "subreaper"))
		return prctl(PR_SET_CHILD_SUBREAPER, 1), i + 1;
	if (!strcmp(name, "zombies"))
		return prctl(PR_SET_CHILD_SUBREAPER, 1), zombies = 1, i + 1;
	if (!strcmp(name, "clearenv"))
		return clearenv(), i + 1;
	if (!strcmp(name, "listen-pid")) {
		snprintf(pid, sizeof pid, "%d", getpid());
		return setenv("LISTEN_PID", pid, 1), i + 1;
	}
	if (!strcmp(name, "close"))
		close(atoi(value));
	else if (!strcmp(name, "ignore"))
		signal(atoi(value), SIG_IGN);
	else if (!strcmp(name, "block"))
		block(atoi(value));
	else if (!strcmp(name, "umask"))
		umask((mode_t)strtol(value, NULL, 8));
	else if (!strcmp(name, "nice"))
		need(setpriority(PRIO_PROCESS, 0, atoi(value)), "nice");
	else if (!strcmp(name, "group"))
		add_group((gid_t)atoi(value));
	else if (!strcmp(name, "cpu"))
		only_cpu(atoi(value));
	else if (!strcmp(name, "slack"))
		need(prctl(PR_SET_TIMERSLACK, atol(value)), "slack");
	else if (!strcmp(name, "personality"))
		need(personality((unsigned long)atol(value)), "personality");
	else if (!strcmp(name, "coredump"))
		write_text("/proc/self/coredump_filter", value);
	else if (!strcmp(name, "pdeathsig"))
		need(prctl(PR_SET_PDEATHSIG, atoi(value)), "pdeathsig");
	else if (!strcmp(name, "nofile"))
		limit(RLIMIT_NOFILE, value);
	else if (!strcmp(name, "fsize"))
		limit(RLIMIT_FSIZE, value);
	else if (!strcmp(name, "setenv"))
		putenv(argv[i + 1]);
	else if (!strcmp(name, "cd"))
		need(chdir(value), value);
	else if (!strcmp(name, "rmdir"))
		need(rmdir(value), value);
	else
		fprintf(stderr, "caller: unknown option %s\n", name), exit(64);
	return i + 2;
}

/* The engine that never reaps: everything that ends below stays a zombie until our stdin closes. */
static void hold_zombies(char **command)
{
	siginfo_t info = { 0 };
	char byte;
	pid_t pid = fork();
	if (pid == 0) {
		execvp(command[0], command);
		need(-1, command[0]);
	}
	need(waitid(P_PID, (id_t)pid, &info, WEXITED), "waitid");
	fprintf(stderr, "exit %d\n", info.si_status);
	while (read(0, &byte, 1) > 0)
		;
	exit(info.si_status);
}

int main(int argc, char **argv)
{
	int i = 1;
	while (i < argc && strcmp(argv[i], "--") != 0)
		i = apply(argv, i);
	if (i + 1 >= argc)
		return 64;
	load_filter();
	if (zombies)
		hold_zombies(argv + i + 1);
	execvp(argv[i + 1], argv + i + 1);
	need(-1, argv[i + 1]);
}
