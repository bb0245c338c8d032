/*
 * floor: the least a container can cost. `floor ROOTFS PROGRAM ARGS...` does the kernel work of the default bundle
 * (five namespaces, seven mounts, device nodes, masks, read-only paths, pivot, exec) with no config, no checks, no
 * cgroup and no state; the bench measures the runtimes against it. `floor --empty` exits at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAFE (MS_NOSUID | MS_NOEXEC | MS_NODEV)

static const struct { const char *at, *type; unsigned long flags; const char *data; } mounts[] = {
	{ "proc", "proc", 0, NULL },
	{ "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k" },
	{ "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5" },
	{ "dev/shm", "tmpfs", SAFE, "mode=1777,size=65536k" },
	{ "dev/mqueue", "mqueue", SAFE, NULL },
	{ "sys", "sysfs", SAFE | MS_RDONLY, NULL },
};
static const struct { const char *name; unsigned major, minor; } devices[] = {
	{ "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 },
	{ "dev/tty", 5, 0 }, { "dev/random", 1, 8 }, { "dev/urandom", 1, 9 },
};
static const char *const read_only[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger" };
static const char *const masked[] = { "proc/kcore", "proc/keys", "proc/timer_list" };

static void need(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	_exit(1);
}

int main(int argc, char **argv)
{
	int status;
	if (argc < 3)
		return 0;
	long pid = syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
	need((int)pid, "clone");
	if (pid > 0) {
		need(waitpid((pid_t)pid, &status, 0), "waitpid");
		return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	need(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "slave");
	need(mount(argv[1], argv[1], NULL, MS_BIND | MS_REC, NULL), "bind rootfs");
	need(chdir(argv[1]), "chdir");
	for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
		mkdir(mounts[i].at, 0755);
		need(mount(mounts[i].type, mounts[i].at, mounts[i].type, mounts[i].flags, mounts[i].data), mounts[i].at);
	}
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
		need(mknod(devices[i].name, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)), devices[i].name);
	need(symlink("/proc/self/fd", "dev/fd"), "dev/fd");
	need(symlink("pts/ptmx", "dev/ptmx"), "dev/ptmx");
	need(sethostname("floor", 5), "sethostname");
	need((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
	need(umount2(".", MNT_DETACH), "umount the old root");
	need(chdir("/"), "chdir /");
	for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++) {
		if (access(read_only[i], F_OK) < 0)
			continue; /* as runtimes do: what the kernel doesn't have needs no protection */
		need(mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL), read_only[i]);
		need(mount(NULL, read_only[i], NULL, SAFE | MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), read_only[i]);
	}
	for (size_t i = 0; i < sizeof masked / sizeof *masked; i++)
		if (access(masked[i], F_OK) == 0)
			need(mount("dev/null", masked[i], NULL, MS_BIND, NULL), masked[i]);
	execv(argv[2], argv + 2);
	need(-1, argv[2]);
}
