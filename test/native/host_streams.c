/* Streams with deadlines, and what attachDeviceProgram says to what is no program. */
#include "check.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/tsrunc-host-streams-XXXXXX";
static char path[64];

static int listen_at(const char *where)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", where);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4) < 0)
		abort();
	return listener;
}

static int connected(void)
{
	struct host_call call;
	int fd = -1;

	if (CALL(&call, connectStream, hv_str(path)) == 0)
		fd = (int)call.result.integer;
	CHECK(fd >= 0, "%s", why(&call));
	host_call_end(&call);
	return fd;
}

static void there_and_back(int listener)
{
	static uint8_t bytes[5] = {0, 1, 2, 255, 0};
	int ours = connected(), theirs = accept(listener, NULL, NULL);
	uint8_t got[8];
	struct host_call call;

	CHECK(CALL(&call, sendBytes, hv_int(ours), hv_bytes(bytes, sizeof bytes), hv_int(1000)) == 0, "%s", why(&call));
	host_call_end(&call);
	CHECK(read(theirs, got, sizeof got) == 5 && memcmp(got, bytes, 5) == 0, "%s", "what was sent");
	CHECK(write(theirs, bytes, 5) == 5, "%s", "the answer");
	CHECK(CALL(&call, receiveBytes, hv_int(ours), hv_int(3), hv_int(1000)) == 0, "%s", why(&call));
	CHECK(call.result.kind == HV_BYTES && call.result.bytes.len == 3 && call.result.bytes.ptr[2] == 2, "%s",
	      "the first three");
	host_call_end(&call);
	close(theirs);
	CHECK(CALL(&call, receiveBytes, hv_int(ours), hv_int(10), hv_int(1000)) == 0, "%s", why(&call));
	CHECK(call.result.bytes.len == 2, "%s", "the rest");
	host_call_end(&call);
	CHECK(CALL(&call, receiveBytes, hv_int(ours), hv_int(10), hv_int(1000)) == 0, "%s", why(&call));
	CHECK(call.result.kind == HV_BYTES && call.result.bytes.len == 0, "%s", "the end");
	host_call_end(&call);
	/* no SIGPIPE */
	FAILS(EPIPE, sendBytes, hv_int(ours), hv_bytes(bytes, sizeof bytes), hv_int(1000));
	close(ours);
}

static void deadlines(int listener)
{
	static uint8_t much[1 << 22];
	int ours = connected(), theirs = accept(listener, NULL, NULL);

	FAILS(ETIMEDOUT, receiveBytes, hv_int(ours), hv_int(10), hv_int(20));
	/* more than the socket holds, and nobody reads */
	FAILS(ETIMEDOUT, sendBytes, hv_int(ours), hv_bytes(much, sizeof much), hv_int(20));
	close(theirs);
	close(ours);
}

static void refusals(void)
{
	FAILS(ENOENT, connectStream, hv_str("/nonexistent/socket"));
	FAILS(ENOENT, connectStream, hv_str(""));
	FAILS(ECONNREFUSED, connectStream, hv_str("/etc/passwd"));
	FAILS(EINVAL, sendBytes, hv_int(1), hv_str("text"), hv_int(1));
	FAILS(EINVAL, receiveBytes, hv_int(1), hv_int(0), hv_int(1));
	FAILS(EBADF, receiveBytes, hv_int(999), hv_int(1), hv_int(1));
}

static void device_programs(void)
{
	static const uint8_t nothing[8];

	FAILS(ENOENT, attachDeviceProgram, hv_str("/nonexistent"), hv_bytes(nothing, sizeof nothing));
	FAILS(ENOTDIR, attachDeviceProgram, hv_str("/etc/passwd"), hv_bytes(nothing, sizeof nothing));
	FAILS(EINVAL, attachDeviceProgram, hv_str("/tmp"), hv_str("text"));
	/* refused by the kernel: as no program, or as somebody who may load none */
	{
		struct host_call call;

		CHECK(CALL(&call, attachDeviceProgram, hv_str("/tmp"), hv_bytes(nothing, sizeof nothing)) < 0 &&
			      strcmp(call.failure.call, "bpf") == 0,
		      "%s", why(&call));
		host_call_end(&call);
	}
}

int main(void)
{
	int before, listener;

	if (mkdtemp(folder) == NULL)
		return EXIT_FAILURE;
	snprintf(path, sizeof path, "%s/socket", folder);
	listener = listen_at(path);
	before = open_descriptors();
	there_and_back(listener);
	deadlines(listener);
	refusals();
	device_programs();
	CHECK(open_descriptors() == before, "%s", "descriptors are left open");
	close(listener);
	unlink(path);
	rmdir(folder);
	return checked("host_streams");
}
