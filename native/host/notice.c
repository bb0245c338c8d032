/*
 * Being told when a cgroup changes: a descriptor to poll. cgroup v1 writes to an eventfd that was registered in
 * cgroup.event_control (admin-guide/cgroup-v1/memory.rst, 9); cgroup v2 modifies a file, which inotify(7) sees.
 */
#include "host.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "fd.h"

static int register_event(int directory, const char *file, int event)
{
	OWNED_FD watched = openat(directory, file, O_RDONLY | O_CLOEXEC);
	OWNED_FD control = openat(directory, "cgroup.event_control", O_WRONLY | O_CLOEXEC);
	char line[32];
	int length;

	if (watched < 0 || control < 0)
		return -1;
	length = snprintf(line, sizeof line, "%d %d", event, watched);
	return write(control, line, (size_t)length) == length ? 0 : -1;
}

int host_noticeV1(struct host_call *call)
{
	const char *path, *file;
	OWNED_FD directory = -1;
	OWNED_FD event = -1;

	if (arg_cstr(call, 0, "directory", &path) < 0 || arg_cstr(call, 1, "file", &file) < 0)
		return -1;
	directory = fd_open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return host_fail(call, errno, "open", "%s", path);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return host_fail(call, errno, "eventfd", "%s", path);
	if (register_event(directory, file, event) < 0)
		return host_fail(call, errno, "cgroup.event_control", "%s/%s", path, file);
	call->result = hv_int(fd_take(&event));
	return 0;
}

int host_noticeV2(struct host_call *call)
{
	OWNED_FD fd = -1;
	struct hv *items;
	size_t count;

	if (arg_list(call, 0, "files", &items, &count) < 0)
		return -1;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return host_fail(call, errno, "inotify_init", "%s", "");
	for (size_t i = 0; i < count; i++) {
		if (items[i].kind != HV_STR)
			return host_fail(call, EINVAL, "argument", "files: list of paths expected");
		if (inotify_add_watch(fd, items[i].str.ptr, IN_MODIFY) < 0)
			return host_fail(call, errno, "inotify_add_watch", "%s", items[i].str.ptr);
	}
	call->result = hv_int(fd_take(&fd));
	return 0;
}

int host_noticed(struct host_call *call)
{
	char events[4096];
	bool any = false;
	int fd;

	if (arg_fd(call, 0, "fd", &fd) < 0)
		return -1;
	for (;;) {
		ssize_t got = read(fd, events, sizeof events);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != EAGAIN)
			return host_fail(call, errno, "read", "descriptor %d", fd);
		if (got <= 0)
			break;
		any = true;
	}
	call->result = hv_bool(any);
	return 0;
}
