/*
 * killat: kill a command at its N-th system call (security-cases, L1).
 *
 *   killat N COMMAND ARGS...     SIGKILL it when it enters its N-th call (counted from 1, after its execve);
 *                                exits 137 then. If it ends before, exits with its code.
 *   killat 0 COMMAND ARGS...     let it run to its end; "calls N" on stderr says how many calls it made
 *
 * Only the command's first thread is counted, and its children run untraced: what is killed is the runtime alone,
 * as by the death of its parent. The call that it is killed at doesn't happen any more.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_O_EXITKILL
#define PTRACE_O_EXITKILL 0x100000
#endif

static void die(const char *what)
{
	fprintf(stderr, "killat: %s: %s\n", what, strerror(errno));
	exit(125);
}

static int wait_for(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) < 0)
		die("waitpid");
	return status;
}

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 64;
	long wanted = atol(argv[1]), calls = 0;
	pid_t pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execvp(argv[2], argv + 2);
		die(argv[2]);
	}
	int status = wait_for(pid); /* stopped by its own execve */
	if (!WIFSTOPPED(status))
		return exit_code(status);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	int signal = 0, entering = 1;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)signal) < 0 && errno != ESRCH)
			die("ptrace");
		status = wait_for(pid);
		if (!WIFSTOPPED(status))
			break;
		signal = 0;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
			continue;
		}
		if (entering && ++calls == wanted) {
			kill(pid, SIGKILL);
			wait_for(pid);
			return 137;
		}
		entering = !entering;
	}
	if (wanted == 0)
		fprintf(stderr, "calls %ld\n", calls);
	return exit_code(status);
}
