/* Files, directories, locks, namespaces and sockets, in a folder of its own under /tmp. */
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signals.h"

static char folder[] = "/tmp/tsrunc-host-files-XXXXXX";

/* A path below the test's folder; a few are valid at a time. */
static const char *in_folder(const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static void put(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

/* 0, or the errno of the failure. */
static int failure_of(int result, const struct host_call *call)
{
	return result == 0 ? 0 : call->failure.err;
}

static int read_text(const char *path, int64_t most, char *text, size_t room)
{
	struct host_call call;
	int err = failure_of(CALL(&call, readText, hv_str(path), hv_int(most)), &call);

	snprintf(text, room, "%s", err == 0 ? call.result.str.ptr : call.failure.subject);
	host_call_end(&call);
	return err;
}

static void reads(void)
{
	char text[512];

	put(in_folder("plain"), "some\ntext\xc3\xa9", 11);
	CHECK(read_text(in_folder("plain"), 11, text, sizeof text) == 0, "%s", text);
	CHECK(strcmp(text, "some\ntext\xc3\xa9") == 0, "%s", text);
	CHECK(read_text(in_folder("plain"), 10, text, sizeof text) == EFBIG, "%s", text);
	put(in_folder("empty"), "", 0);
	CHECK(read_text(in_folder("empty"), 0, text, sizeof text) == 0 && *text == '\0', "%s", text);
	CHECK(read_text("/proc/self/status", 1 << 20, text, sizeof text) == 0, "%s", text);
	CHECK(strncmp(text, "Name:", 5) == 0, "%s", text);
	CHECK(read_text("/proc/self/status", 100, text, sizeof text) == EFBIG, "%s", text);
	put(in_folder("latin1"), "12345678 caf\xe9", 13);
	CHECK(read_text(in_folder("latin1"), 100, text, sizeof text) == EILSEQ &&
		      strstr(text, "latin1: invalid UTF-8 at byte 12") != NULL,
	      "%s", text);
	CHECK(read_text(in_folder("missing"), 100, text, sizeof text) == ENOENT, "%s", text);
	CHECK(read_text(folder, 100, text, sizeof text) == EISDIR, "%s", text);
	CHECK(read_text("/dev/null", 100, text, sizeof text) == EINVAL, "%s", text);
	CHECK(mkfifo(in_folder("fifo"), 0600) == 0, "mkfifo");
	CHECK(read_text(in_folder("fifo"), 100, text, sizeof text) == EINVAL, "%s", text);
}

static void reads_descriptors(void)
{
	static char many[100000];
	struct host_call call;
	int ends[2];
	pid_t writer;

	memset(many, 'm', sizeof many);
	CHECK(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
	writer = fork();
	if (writer == 0)
		_exit(write(ends[1], many, sizeof many) == sizeof many ? 0 : 1);
	close(ends[1]);
	CHECK(CALL(&call, readFd, hv_int(ends[0]), hv_int(sizeof many)) == 0, "%s", why(&call));
	CHECK(call.result.str.len == sizeof many && memcmp(call.result.str.ptr, many, sizeof many) == 0, "%zu bytes",
	      call.result.str.len);
	host_call_end(&call);
	close(ends[0]);
	waitpid(writer, NULL, 0);
}

static void writes_to_a_descriptor(void)
{
	struct host_call call;
	int ends[2];

	signal(SIGPIPE, SIG_DFL);
	CHECK(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
	CHECK(CALL(&call, writeFd, hv_int(ends[1]), hv_str("hello")) == 0, "%s", why(&call));
	host_call_end(&call);
	close(ends[0]);
	/* the reader is gone: an error, not a signal */
	FAILS(EPIPE, writeFd, hv_int(ends[1]), hv_str("hello"));
	close(ends[1]);
	FAILS(EBADF, writeFd, hv_int(ends[1]), hv_str("hello"));
}

/* Nobody reads: given up after about five seconds. */
static void write_gives_up(void)
{
	char *many = malloc((1 << 20) + 1);
	int64_t start = time_now();
	int ends[2];

	if (many == NULL || pipe2(ends, O_CLOEXEC) < 0)
		abort();
	memset(many, 'x', 1 << 20);
	FAILS(EAGAIN, writeFd, hv_int(ends[1]), hv_str_len(many, 1 << 20));
	CHECK(time_now() - start > 4900000000 && time_now() - start < 10000000000, "after %lld ns",
	      (long long)(time_now() - start));
	close(ends[0]);
	close(ends[1]);
	free(many);
}

static size_t count_entries(const char *path)
{
	struct host_call call;
	size_t count;

	CHECK(CALL(&call, listDir, hv_str(path)) == 0, "%s", why(&call));
	count = call.result.list.count;
	host_call_end(&call);
	return count;
}

static void replaces_files(void)
{
	struct host_call call;
	struct stat stat_of;
	char text[64];

	CHECK(mkdir(in_folder("atomic"), 0700) == 0, "mkdir");
	umask(077);
	for (int i = 0; i < 2; i++) {
		CHECK(CALL(&call, writeAtomic, hv_str(in_folder("atomic/file")), hv_str(i == 0 ? "one" : "two"),
			   hv_int(0644), hv_bool(i == 0)) == 0,
		      "%s", why(&call));
		host_call_end(&call);
	}
	CHECK(read_text(in_folder("atomic/file"), 10, text, sizeof text) == 0 && strcmp(text, "two") == 0, "%s", text);
	CHECK(stat(in_folder("atomic/file"), &stat_of) == 0, "stat: errno %d", errno);
	CHECK((stat_of.st_mode & 07777) == 0644, "mode %o", stat_of.st_mode);
	/* a folder is in the way: nothing stays */
	CHECK(mkdir(in_folder("atomic/folder"), 0700) == 0, "mkdir");
	FAILS(EISDIR, writeAtomic, hv_str(in_folder("atomic/folder")), hv_str("x"), hv_int(0600), hv_bool(false));
	CHECK(count_entries(in_folder("atomic")) == 2, "something was left");
	/* the disk is full */
	if (geteuid() == 0 && mount("tsrunc-test", in_folder("atomic/folder"), "tmpfs", 0, "size=4k") == 0) {
		static char large[100001];

		memset(large, 'x', sizeof large - 1);
		FAILS(ENOSPC, writeAtomic, hv_str(in_folder("atomic/folder/f")), hv_str(large), hv_int(0600),
		      hv_bool(true));
		CHECK(count_entries(in_folder("atomic/folder")) == 0, "something was left");
		umount(in_folder("atomic/folder"));
	}
}

static void lists_sorted(void)
{
	static const char *const names[] = {"b", "a", "B", "ab", ".hidden"};
	struct host_call call;

	CHECK(mkdir(in_folder("list"), 0700) == 0, "mkdir");
	for (size_t i = 0; i < 5; i++) {
		char name[64];

		snprintf(name, sizeof name, "list/%s", names[i]);
		put(in_folder(name), "", 0);
	}
	CHECK(CALL(&call, listDir, hv_str(in_folder("list"))) == 0, "%s", why(&call));
	CHECK(call.result.list.count == 5 && is_text(&call.result.list.items[0], ".hidden") &&
		      is_text(&call.result.list.items[1], "B") && is_text(&call.result.list.items[2], "a") &&
		      is_text(&call.result.list.items[3], "ab") && is_text(&call.result.list.items[4], "b"), "order");
	host_call_end(&call);
}

static int remove_tree(const char *path)
{
	struct host_call call;
	int err = failure_of(CALL(&call, removeTree, hv_str(path)), &call);

	CHECK(err == 0 || strcmp(call.failure.subject, path) == 0, "subject %s", call.failure.subject);
	host_call_end(&call);
	return err;
}

static void removes_trees(void)
{
	CHECK(mkdir(in_folder("tree"), 0700) == 0 && mkdir(in_folder("tree/a"), 0700) == 0 &&
		      mkdir(in_folder("tree/a/b"), 0700) == 0 && mkdir(in_folder("outside"), 0700) == 0, "mkdir");
	put(in_folder("tree/a/b/file"), "x", 1);
	put(in_folder("tree/file"), "x", 1);
	put(in_folder("outside/precious"), "x", 1);
	CHECK(mkfifo(in_folder("tree/fifo"), 0600) == 0, "mkfifo");
	CHECK(symlink("../outside", in_folder("tree/link")) == 0, "symlink");
	CHECK(symlink("tree", in_folder("to-tree")) == 0, "symlink");
	if (geteuid() == 0) {
		/* mounts, also one on top of another and one on a file: what is in them stays */
		CHECK(mkdir(in_folder("tree/mounted"), 0700) == 0, "mkdir");
		CHECK(mount(in_folder("outside"), in_folder("tree/mounted"), NULL, MS_BIND, NULL) == 0 &&
			      mount(in_folder("outside"), in_folder("tree/mounted"), NULL, MS_BIND, NULL) == 0 &&
			      mount(in_folder("outside/precious"), in_folder("tree/file"), NULL, MS_BIND, NULL) == 0,
		      "mount: errno %d", errno);
	}
	/* a link is removed, not followed */
	CHECK(remove_tree(in_folder("to-tree")) == 0 && access(in_folder("tree/file"), F_OK) == 0, "followed a link");
	CHECK(remove_tree(in_folder("tree//")) == 0 && access(in_folder("tree"), F_OK) < 0, "still there");
	CHECK(access(in_folder("outside/precious"), F_OK) == 0, "removed what was mounted or linked");
	CHECK(remove_tree(in_folder("tree")) == 0, "ENOENT is success");
	CHECK(remove_tree(in_folder("no/such/folder")) == 0, "ENOENT is success");
	CHECK(remove_tree("/") == EINVAL && remove_tree("") == EINVAL && remove_tree(in_folder("..")) == EINVAL,
	      "a nameless folder");
}

static void refuses_to_nest_for_ever(void)
{
	char path[1024];

	snprintf(path, sizeof path, "%s", in_folder("deep"));
	for (int i = 0; i < 110; i++) {
		CHECK(mkdir(path, 0700) == 0, "mkdir");
		strcat(path, "/d");
	}
	CHECK(remove_tree(in_folder("deep")) == ELOOP, "no limit");
	CHECK(remove_tree(in_folder("deep/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d")) == 0, "not removed");
	CHECK(remove_tree(in_folder("deep")) == 0, "not removed");
}

static void locks(void)
{
	struct host_call call;
	int mine = open(in_folder("lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int other = open(in_folder("lock"), O_RDWR | O_CLOEXEC);
	int64_t start = time_now();

	CHECK(CALL(&call, lock, hv_int(mine), hv_int(0)) == 0 && call.result.boolean, "%s", why(&call));
	host_call_end(&call);
	CHECK(CALL(&call, lock, hv_int(other), hv_int(50)) == 0 && !call.result.boolean, "%s", why(&call));
	host_call_end(&call);
	CHECK(time_now() - start >= 50000000 && time_now() - start < 2000000000, "after %lld ns",
	      (long long)(time_now() - start));
	/* somebody gives it up while we wait */
	if (fork() == 0) {
		usleep(30000);
		flock(mine, LOCK_UN);
		_exit(0);
	}
	CHECK(CALL(&call, lock, hv_int(other), hv_int(5000)) == 0 && call.result.boolean, "%s", why(&call));
	host_call_end(&call);
	wait(NULL);
	close(mine);
	close(other);
}

static void opens_fifos_for_writing(void)
{
	struct host_call call;

	CHECK(CALL(&call, openFifoWriter, hv_str(in_folder("fifo"))) == 0, "%s", why(&call));
	CHECK((fcntl((int)call.result.integer, F_GETFL) & O_ACCMODE) == O_WRONLY, "not for writing");
	CHECK(fcntl((int)call.result.integer, F_GETFD) == FD_CLOEXEC, "not close-on-exec");
	close((int)call.result.integer);
	host_call_end(&call);
	FAILS(EINVAL, openFifoWriter, hv_str(in_folder("plain")));
}

static void opens_namespaces(void)
{
	struct host_call call;
	struct stat stat_of;

	CHECK(CALL(&call, openNamespace, hv_str("/proc/self/ns/uts")) == 0, "%s", why(&call));
	CHECK(stat("/proc/self/ns/uts", &stat_of) == 0 && call.result.list.items[1].integer == CLONE_NEWUTS &&
		      call.result.list.items[3].integer == (int64_t)stat_of.st_ino, "type or inode");
	close((int)call.result.list.items[0].integer);
	host_call_end(&call);
	FAILS(EINVAL, openNamespace, hv_str("/proc/self/status"));
	FAILS(EINVAL, openNamespace, hv_str(in_folder("fifo")));
}

/* A user namespace in which 0 is 100000 outside; a child waits in it until the pipe is closed. */
static int open_user_namespace(int *release)
{
	char path[64];
	int ready[2], wait_for[2], fd, map;
	pid_t child;
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(wait_for, O_CLOEXEC) < 0)
		abort();
	child = fork();
	if (child == 0) {
		close(wait_for[1]);
		_exit(unshare(CLONE_NEWUSER) < 0 || write(ready[1], "r", 1) != 1 || read(wait_for[0], &byte, 1) != 0);
	}
	close(ready[1]);
	close(wait_for[0]);
	CHECK(read(ready[0], &byte, 1) == 1, "no user namespace");
	close(ready[0]);
	snprintf(path, sizeof path, "/proc/%d/uid_map", child);
	map = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(write(map, "0 100000 65536", 14) == 14, "uid_map: errno %d", errno);
	close(map);
	snprintf(path, sizeof path, "/proc/%d/gid_map", child);
	map = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(write(map, "0 100000 65536", 14) == 14, "gid_map: errno %d", errno);
	close(map);
	snprintf(path, sizeof path, "/proc/%d/ns/user", child);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	*release = wait_for[1];
	return fd;
}

/* The owner of the file "plain" as seen in a detached tree of the test's folder. */
static uid_t owner_in_tree(int userns)
{
	struct stat stat_of = {.st_uid = (uid_t)-1};
	struct host_call call;

	CHECK(CALL(&call, openTree, hv_str(folder), hv_bool(true), hv_bool(false), hv_int(userns), hv_bool(true), hv_int(0), hv_bool(false)) == 0,
	      "%s", why(&call));
	if (call.result.kind == HV_INT) {
		int tree = (int)call.result.integer;

		CHECK(fcntl(tree, F_GETFD) == FD_CLOEXEC, "not close-on-exec");
		CHECK(fstatat(tree, "plain", &stat_of, 0) == 0, "errno %d", errno);
		close(tree);
	}
	host_call_end(&call);
	return stat_of.st_uid;
}

static void opens_trees(void)
{
	int userns, release;

	if (geteuid() != 0) {
		puts("files: detached trees need root: not tested");
		return;
	}
	CHECK(owner_in_tree(-1) == 0, "owner");
	userns = open_user_namespace(&release);
	CHECK(owner_in_tree(userns) == 100000, "not mapped");
	close(userns);
	close(release);
	wait(NULL);
	FAILS(ENOENT, openTree, hv_str(in_folder("missing")), hv_bool(false), hv_bool(false), hv_int(-1), hv_bool(false),
	      hv_int(0), hv_bool(false));
}

static void tells_what_files_are(void)
{
	const char *const absent[] = {in_folder("missing/x"), in_folder("plain/x")};
	struct host_call call;
	struct hv *tells;

	for (size_t i = 0; i < 2; i++) {
		CHECK(CALL(&call, stat, hv_str(absent[i]), hv_bool(true)) == 0, "%s", why(&call));
		CHECK(call.result.kind == HV_NONE, "%s is something", absent[i]);
		host_call_end(&call);
	}
	CHECK(CALL(&call, stat, hv_str("/dev/null"), hv_bool(true)) == 0, "%s", why(&call));
	tells = call.result.list.items;
	CHECK(is_text(&tells[0], "char") && tells[7].integer == 1 && tells[8].integer == 3, "/dev/null");
	host_call_end(&call);
	CHECK(CALL(&call, stat, hv_str("/proc/self"), hv_bool(false)) == 0, "%s", why(&call));
	CHECK(is_text(&call.result.list.items[0], "link"), "/proc/self");
	host_call_end(&call);
	CHECK(CALL(&call, filesystemType, hv_str("/proc")) == 0 && call.result.integer == 0x9fa0, "procfs");
	host_call_end(&call);
}

/* A listener whose path is `length` bytes long, or (length 0) an address without a file. */
static void sends_descriptors(size_t length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted, received = -1;
	char path[512], bytes[64], control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct host_call call;
	ssize_t got;

	snprintf(path, sizeof path, "%s/", folder);
	while (strlen(path) + 101 < length) {
		strcat(path, "ddddddddddddddddddddddddddddddddddddddddddddddddd/");
		mkdir(path, 0700);
	}
	while (strlen(path) < length)
		strcat(path, "s");
	/* a long path can only be bound from within its folder */
	CHECK(snprintf(address.sun_path, sizeof address.sun_path, "%s", strrchr(path, '/') + 1) > 0, "name");
	*strrchr(path, '/') = '\0';
	CHECK(chdir(path) == 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
		      listen(listener, 1) == 0, "bind: errno %d", errno);
	path[strlen(path)] = '/';
	CHECK(strlen(path) == length, "%zu", strlen(path));
	CHECK(CALL(&call, sendFd, hv_str(path), hv_str("tty"), hv_int(STDIN_FILENO)) == 0, "%zu: %s", length,
	      why(&call));
	host_call_end(&call);
	accepted = accept(listener, NULL, NULL);
	got = recvmsg(accepted, &message, MSG_CMSG_CLOEXEC);
	CHECK(got == 3 && memcmp(bytes, "tty", 3) == 0, "%zd bytes", got);
	if (CMSG_FIRSTHDR(&message) != NULL)
		memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
	CHECK(received >= 0, "no descriptor");
	close(received);
	close(accepted);
	close(listener);
	FAILS(ECONNREFUSED, sendFd, hv_str(path), hv_str("tty"), hv_int(STDIN_FILENO));
	CHECK(unlink(path) == 0 && chdir("/") == 0, "unlink");
}

int main(void)
{
	int before;

	/* the mounts of these tests are nobody else's */
	if (geteuid() == 0 && (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
		return EXIT_FAILURE;
	if (mkdtemp(folder) == NULL)
		return EXIT_FAILURE;
	before = open_descriptors();
	reads();
	reads_descriptors();
	writes_to_a_descriptor();
	write_gives_up();
	replaces_files();
	lists_sorted();
	removes_trees();
	refuses_to_nest_for_ever();
	locks();
	opens_fifos_for_writing();
	opens_namespaces();
	opens_trees();
	tells_what_files_are();
	sends_descriptors(107);
	sends_descriptors(108);
	sends_descriptors(300);
	CHECK(open_descriptors() == before, "%d descriptors are left open", open_descriptors() - before);
	CHECK(remove_tree(folder) == 0 && access(folder, F_OK) < 0, "the test's folder stays");
	return checked("files");
}
