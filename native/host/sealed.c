/*
 * Sealed memfds. What runs in front of a container is a fresh copy that cannot be written, grown, shrunk or re-moded:
 * whoever gets hold of /proc/PID/exe of init has nothing (CVE-2019-5736). Seals are read back before they are trusted.
 */
#include "host.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fd.h"
#include "kernel.h"
#include "sealed.h"

#define ALL_SEALS (KERNEL_F_SEAL_SEAL | KERNEL_F_SEAL_SHRINK | KERNEL_F_SEAL_GROW | KERNEL_F_SEAL_WRITE)
/* Readable and runnable for everybody, writable for nobody. */
#define PROGRAM_MODE 0511

/* pwrite: the descriptor stays at its start, where the reader begins. */
static int write_at_start(int fd, const char *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t written = pwrite(fd, bytes + done, len - done, (off_t)done);

		if (written < 0 && errno != EINTR)
			return -1;
		if (written > 0)
			done += (size_t)written;
	}
	return 0;
}

/* Fills and seals; optional seals are those that older kernels don't know. Takes fd. */
static int fill(int owned, const void *bytes, size_t len, mode_t mode, int optional, const char **step)
{
	OWNED_FD fd = owned;
	int seals;

	*step = "write";
	if (write_at_start(fd, bytes, len) < 0)
		return -1;
	*step = "fchmod";
	if (mode != 0 && fchmod(fd, mode) < 0)
		return -1;
	*step = "fcntl F_ADD_SEALS";
	if ((optional == 0 || fcntl(fd, KERNEL_F_ADD_SEALS, ALL_SEALS | optional) < 0) &&
	    fcntl(fd, KERNEL_F_ADD_SEALS, ALL_SEALS) < 0)
		return -1;
	*step = "fcntl F_GET_SEALS";
	seals = fcntl(fd, KERNEL_F_GET_SEALS);
	if (seals < 0)
		return -1;
	if ((seals & ALL_SEALS) != ALL_SEALS) {
		errno = EPERM;
		return -1;
	}
	return fd_take(&fd);
}

/* `kind` is MFD_EXEC or MFD_NOEXEC_SEAL, which kernels before 6.3 refuse. */
static int new_memfd(const char *name, unsigned kind)
{
	const unsigned flags = KERNEL_MFD_CLOEXEC | KERNEL_MFD_ALLOW_SEALING;
	int fd = (int)syscall(SYS_memfd_create, name, flags | kind);

	return fd < 0 && errno == EINVAL ? (int)syscall(SYS_memfd_create, name, flags) : fd;
}

int sealed_data(const char *name, const void *bytes, size_t len, const char **step)
{
	int fd = new_memfd(name, KERNEL_MFD_NOEXEC_SEAL);

	*step = "memfd_create";
	return fd < 0 ? -1 : fill(fd, bytes, len, 0, 0, step);
}

int host_sealedFile(struct host_call *call)
{
	const char *name, *step;
	const uint8_t *bytes;
	size_t len;
	int fd;

	if (arg_cstr(call, 0, "name", &name) < 0 || arg_bytes(call, 1, "bytes", &bytes, &len) < 0)
		return -1;
	fd = sealed_data(name, bytes, len, &step);
	if (fd < 0)
		return host_fail(call, errno, step, "%s", name);
	call->result = hv_int(fd);
	return 0;
}

/* ---- without executable memfds ----------------------------------------------------------------------------------- */

/* An unnamed file somewhere where programs may be run. */
static int new_unnamed_file(void)
{
	static const char *const folders[] = {"/run", "/dev/shm", "/tmp", "/var/tmp"};

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		struct statvfs stat;
		int fd = fd_open(folders[i], O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

		if (fd < 0)
			continue;
		if (fstatvfs(fd, &stat) == 0 && (stat.f_flag & ST_NOEXEC) == 0)
			return fd;
		close(fd);
	}
	errno = EACCES;
	return -1;
}

/* The file once more without a writer; only that descriptor is left, so the kernel refuses writers while it runs. */
static int program_file(const void *bytes, size_t len, const char **step)
{
	OWNED_FD writer = new_unnamed_file();
	OWNED_FD fd = -1;
	struct stat stat;
	char link[32];

	*step = "open O_TMPFILE";
	if (writer < 0)
		return -1;
	*step = "write";
	if (write_at_start(writer, bytes, len) < 0 || fchmod(writer, PROGRAM_MODE) < 0)
		return -1;
	*step = "open";
	snprintf(link, sizeof link, "/proc/self/fd/%d", writer);
	fd = fd_open(link, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &stat) < 0)
		return -1;
	if (stat.st_nlink != 0 || (stat.st_mode & 07777) != PROGRAM_MODE || stat.st_size != (off_t)len) {
		errno = EPERM;
		return -1;
	}
	return fd_take(&fd);
}

int sealed_program(const char *name, const void *bytes, size_t len, const char **step)
{
	int fd = new_memfd(name, KERNEL_MFD_EXEC);

	*step = "memfd_create";
	if (fd >= 0)
		return fill(fd, bytes, len, PROGRAM_MODE, KERNEL_F_SEAL_EXEC, step);
	/* EACCES: vm.memfd_noexec is 2 */
	return errno == EACCES ? program_file(bytes, len, step) : -1;
}
