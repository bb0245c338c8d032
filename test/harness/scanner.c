/*
 * scanner: an inmate that watches for processes joining its container (V01, V02). Until its stdin ends it looks at
 * every process it sees but its own, and tries what an attacker would. Each different success is one line on stdout:
 *
 *   exe TARGET       the link could be read, while the process was not yet PROGRAM
 *   write TARGET     the file that is executing could be opened for writing
 *   fd TARGET        a descriptor of the process leads there
 *   attached         ptrace(PTRACE_SEIZE) worked
 *   memory           its memory could be read
 *   seen             (once) some process was looked at before it became PROGRAM: the scan was not in vain
 *
 *   scanner PROGRAM  base name of the program that the processes become
 *   scanner --hold   traces each process it sees, and lets go of none, not even of the dead, until its stdin ends
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char told[64][256];
static int tellings;

static void tell(const char *what, const char *target)
{
	char line[256];

	snprintf(line, sizeof line, "%s%s%.200s", what, *target ? " " : "", target);
	for (int i = 0; i < tellings; i++)
		if (strcmp(told[i], line) == 0)
			return;
	if (tellings == 64)
		return;
	strcpy(told[tellings++], line);
	puts(line);
	fflush(stdout);
}

static int read_link(const char *path, char *target, size_t size)
{
	ssize_t length = readlink(path, target, size - 1);

	target[length < 0 ? 0 : length] = '\0';
	return length < 0 ? -1 : 0;
}

/* What the process is called now; the joining one has a name of its own until it executes. */
static int is_program(int pid, const char *program)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 1;
	if (fgets(name, sizeof name, file) == NULL)
		name[0] = '\0';
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return name[0] == '\0' || strcmp(name, program) == 0;
}

static void look_at_fds(int pid, const char *program)
{
	char path[64], target[4096];
	struct dirent *entry;
	DIR *directory;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	directory = opendir(path);
	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL) {
		char one[128];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(one, sizeof one, "/proc/%d/fd/%.16s", pid, entry->d_name);
		if (read_link(one, target, sizeof target) < 0 || is_program(pid, program))
			continue;
		target[strcspn(target, "[")] = '\0'; /* without the inode of sockets and pipes */
		tell("fd", target);
	}
	closedir(directory);
}

static void look_at(int pid, const char *program)
{
	char path[64], target[4096], byte;
	struct iovec ours = {&byte, 1}, theirs = {(void *)0x400000, 1};
	int fd;

	if (is_program(pid, program))
		return;
	tell("seen", "");
	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	if (read_link(path, target, sizeof target) == 0 && !is_program(pid, program))
		tell("exe", target);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		if (!is_program(pid, program))
			tell("write", target);
		close(fd);
	}
	look_at_fds(pid, program);
	if (process_vm_readv(pid, &ours, 1, &theirs, 1, 0) == 1 && !is_program(pid, program))
		tell("memory", "");
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
		if (!is_program(pid, program))
			tell("attached", "");
		/* detaching needs a stop, which would hold it up: it is let go when we end */
	}
}

static void scan(const char *program)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	if (proc == NULL)
		exit(2);
	while ((entry = readdir(proc)) != NULL) {
		int pid = atoi(entry->d_name);

		if (pid > 1 && pid != getpid())
			look_at(pid, program);
	}
	closedir(proc);
}

/* The dead that we trace are their parent's only after us. */
static void bury(void)
{
	while (waitpid(-1, NULL, __WALL | WNOHANG) > 0)
		continue;
}

static void hold(void)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	if (proc == NULL)
		exit(2);
	while ((entry = readdir(proc)) != NULL) {
		int pid = atoi(entry->d_name);

		if (pid > 1 && pid != getpid() && ptrace(PTRACE_SEIZE, pid, 0, 0) == 0)
			tell("held", "");
	}
	closedir(proc);
}

int main(int argc, char **argv)
{
	struct pollfd input = {.fd = 0, .events = POLLIN};

	if (argc != 2)
		return 2;
	puts("ready");
	fflush(stdout);
	while (poll(&input, 1, 0) == 0) {
		if (strcmp(argv[1], "--hold") == 0) {
			hold();
			continue;
		}
		scan(argv[1]);
		bury();
	}
	puts("end");
	return 0;
}
