/*
 * idmount PATH ID COMMAND...: covers PATH by itself, idmapped so that the files of 0..65535 belong to ID..., in a mount
 * namespace of its own, and executes the command there. As containerd and podman hand over a root file system to a
 * container with a user namespace.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct mount_attributes {
	uint64_t set, clear, propagation, userns;
};

static void write_map(int pid, const char *name, const char *id)
{
	char path[64], text[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	snprintf(text, sizeof text, "0 %s 65536", id);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", path);
	close(fd);
}

/* A user namespace with the mapping, kept by its descriptor alone. */
static int make_userns(const char *id)
{
	int ready[2], pid, fd;
	char byte, path[64];

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		err(1, "fork");
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			err(1, "unshare");
		if (write(ready[1], "", 1) != 1)
			err(1, "write");
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		errx(1, "the helper has ended");
	write_map(pid, "uid_map", id);
	write_map(pid, "gid_map", id);
	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

int main(int argc, char **argv)
{
	struct mount_attributes attributes = {.set = 0x100000 /* MOUNT_ATTR_IDMAP */};
	int tree;

	if (argc < 4)
		errx(2, "usage: idmount PATH ID COMMAND...");
	attributes.userns = (uint64_t)make_userns(argv[2]);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		err(1, "mount namespace");
	tree = (int)syscall(428 /* open_tree */, AT_FDCWD, argv[1], 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
	if (tree < 0)
		err(1, "open_tree %s", argv[1]);
	if (syscall(442 /* mount_setattr */, tree, "", 0x1000 /* AT_EMPTY_PATH */, &attributes, sizeof attributes) < 0)
		err(1, "mount_setattr");
	if (syscall(429 /* move_mount */, tree, "", AT_FDCWD, argv[1], 4 /* MOVE_MOUNT_F_EMPTY_PATH */) < 0)
		err(1, "move_mount");
	execvp(argv[3], argv + 3);
	err(1, "%s", argv[3]);
}
