/*
 * The resolver of init, over a tree that was made to mislead it. Every case runs twice: with openat2(2), and under a
 * filter that refuses it, so that the walk by hand is held to what the kernel does.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "init.h"

static char base[] = "/tmp/tsrunc-resolve-XXXXXX";
static const char *mode;
static int root;

/* The path of a descriptor below the tree, "OUTSIDE" if it isn't. */
static const char *place(int fd)
{
	static char path[PATH_MAX];
	char link[64];
	ssize_t len;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof path - 1);
	path[len < 0 ? 0 : len] = 0;
	if (strncmp(path, base, strlen(base)) != 0)
		return "OUTSIDE";
	return path + strlen(base) + strlen("/root");
}

static void expect(const char *path, int how, int err, const char *where)
{
	int created, fd = resolve(root, path, how, &created);

	if (err != 0) {
		CHECK(fd < 0 && errno == err, "%s: %s: %s, not errno %d", mode, path,
		      fd < 0 ? strerror(errno) : place(fd), err);
	} else {
		CHECK(fd >= 0, "%s: %s: %s", mode, path, strerror(errno));
		CHECK(fd < 0 || strcmp(place(fd), where) == 0, "%s: %s: %s, not %s", mode, path, place(fd), where);
	}
	close_fd(&fd);
}

static void make_tree(void)
{
	char path[64];

	CHECK(mkdtemp(base) != NULL && chdir(base) == 0, "%s", strerror(errno));
	CHECK(mkdir("root", 0755) == 0 && mkdir("outside", 0755) == 0, "tree");
	root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(chdir("root") == 0 && mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0, "tree");
	close(open("d/file", O_WRONLY | O_CREAT | O_EXCL, 0644));
	CHECK(symlink("d", "rel") == 0 && symlink("/d/e", "abs") == 0 && symlink("../../../../d", "up") == 0, "links");
	CHECK(symlink("loop", "loop") == 0 && symlink("/nowhere/deep", "dangling") == 0, "links");
	CHECK(symlink("../outside", "sibling") == 0 && symlink("file", "d/tofile") == 0, "links");
	CHECK(symlink("../d/./e/..//e/", "d/messy") == 0 && symlink("", "empty") < 0, "links");
	CHECK(symlink("d/e", "chain0") == 0, "links");
	for (int i = 1; i <= 40; i++) {
		char target[64];

		snprintf(path, sizeof path, "chain%d", i);
		snprintf(target, sizeof target, "chain%d", i - 1);
		CHECK(symlink(target, path) == 0, "links");
	}
}

static void test_following(void)
{
	expect("/", 0, 0, "");
	expect("/../..", 0, 0, "");
	expect("d/e", 0, 0, "/d/e");
	expect("//d///e//", 0, 0, "/d/e");
	expect("/d/./e/../file", 0, 0, "/d/file");
	expect("/rel/e", 0, 0, "/d/e");
	expect("/abs", 0, 0, "/d/e");
	expect("/abs/../file", 0, 0, "/d/file");
	expect("/up/e", 0, 0, "/d/e");
	expect("/d/e/../../../../../../d", 0, 0, "/d");
	expect("/d/tofile", 0, 0, "/d/file");
	expect("/d/messy", 0, 0, "/d/e");
	expect("/chain39", 0, 0, "/d/e");
	expect("/chain40", 0, ELOOP, NULL);
	expect("/loop", 0, ELOOP, NULL);
	expect("/sibling", 0, ENOENT, NULL);
	expect("/dangling", 0, ENOENT, NULL);
	expect("/missing", 0, ENOENT, NULL);
	expect("", 0, ENOENT, NULL);
	expect("/d/file/x", 0, ENOTDIR, NULL);
}

static void test_restrictions(void)
{
	char name[300];

	expect("/d/e", RESOLVE_NO_LINKS, 0, "/d/e");
	expect("/rel/e", RESOLVE_NO_LINKS, ELOOP, NULL);
	expect("/abs", RESOLVE_NO_LINKS, ELOOP, NULL);
	expect("/abs", RESOLVE_LAST_LINK, 0, "/abs");
	expect("/rel/tofile", RESOLVE_LAST_LINK, 0, "/d/tofile");
	expect("/loop", RESOLVE_LAST_LINK, 0, "/loop");
	expect("d/e/..", RESOLVE_BELOW, 0, "/d");
	expect("d/../..", RESOLVE_BELOW, EXDEV, NULL);
	expect("/d", RESOLVE_BELOW, EXDEV, NULL);
	expect("abs", RESOLVE_BELOW, EXDEV, NULL);
	expect("rel/e", RESOLVE_BELOW, 0, "/d/e");
	expect("d/e", RESOLVE_ONE_MOUNT | RESOLVE_BELOW, 0, "/d/e");
	memset(name, 'x', sizeof name);
	name[256] = 0;
	expect(name, RESOLVE_CREATE_DIRECTORY, ENAMETOOLONG, NULL);
}

/* Another mount on the way: only forbidden where asked. */
static void test_mounts(void)
{
	int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	fd = resolve(slash, "proc/self", RESOLVE_BELOW, NULL);
	CHECK(fd >= 0, "%s: proc: %s", mode, strerror(errno));
	close_fd(&fd);
	fd = resolve(slash, "proc", RESOLVE_BELOW | RESOLVE_ONE_MOUNT, NULL);
	CHECK(fd < 0 && errno == EXDEV, "%s: proc on one mount", mode);
	close_fd(&fd);
	close_fd(&slash);
}

static mode_t kind_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : st.st_mode;
}

static void test_creation(void)
{
	char deep[4096] = "/long", name[256];
	int created, fd, parent;

	expect("/new/a/b", RESOLVE_CREATE_DIRECTORY, 0, "/new/a/b");
	CHECK(kind_of("new/a/b") == (S_IFDIR | 0755), "%s: mode %o", mode, kind_of("new/a/b"));
	expect("/new/f/file", RESOLVE_CREATE_FILE, 0, "/new/f/file");
	CHECK(kind_of("new/f/file") == (S_IFREG | 0644) && S_ISDIR(kind_of("new/f")), "%s: file", mode);
	expect("/new/slash/", RESOLVE_CREATE_FILE, 0, "/new/slash");
	CHECK(S_ISREG(kind_of("new/slash")), "%s: last component with a slash", mode);
	expect("/dangling", RESOLVE_CREATE_DIRECTORY, 0, "/nowhere/deep");
	expect("/dangling", RESOLVE_CREATE_DIRECTORY | RESOLVE_NO_LINKS, ELOOP, NULL);
	expect("/sibling/x", RESOLVE_CREATE_DIRECTORY, 0, "/outside/x");
	CHECK(kind_of("../outside/x") == 0, "%s: made outside", mode);
	expect("/new/x/../../../../y", RESOLVE_CREATE_DIRECTORY, 0, "/y");
	expect("/d/file/x", RESOLVE_CREATE_DIRECTORY, ENOTDIR, NULL);
	expect("/loop/x", RESOLVE_CREATE_DIRECTORY, ELOOP, NULL);
	fd = resolve(root, "/new/c", RESOLVE_CREATE_DIRECTORY, &created);
	CHECK(fd >= 0 && created == 1, "%s: created", mode);
	close_fd(&fd);
	fd = resolve(root, "/new/c", RESOLVE_CREATE_DIRECTORY, &created);
	CHECK(fd >= 0 && created == 0, "%s: existed", mode);
	close_fd(&fd);
	for (size_t len = 5; len < 4000; len += 200)
		snprintf(deep + len, sizeof deep - len, "/%0199d", 0);
	deep[4005] = 0;
	fd = resolve(root, deep, RESOLVE_CREATE_DIRECTORY, NULL);
	CHECK(fd >= 0, "%s: long path: %s", mode, strerror(errno));
	close_fd(&fd);
	parent = resolve_parent(root, "/abs/../p/q/name//", name);
	CHECK(parent >= 0 && strcmp(place(parent), "/d/p/q") == 0, "%s: parent %s", mode, place(parent));
	CHECK(strcmp(name, "name") == 0, "%s: name %s", mode, name);
	close_fd(&parent);
	CHECK(resolve_parent(root, "/", name) < 0 && errno == EINVAL, "%s: parent of /", mode);
	CHECK(resolve_parent(root, "/x/..", name) < 0 && errno == EINVAL, "%s: parent of ..", mode);
	CHECK(resolve_parent(root, "", name) < 0 && errno == EINVAL, "%s: parent of nothing", mode);
}

/* From here on openat2 doesn't exist for this process. */
static void refuse_openat2(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof filter / sizeof *filter, filter};

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
	      "seccomp: %s", strerror(errno));
}

/* In a child, so that each has its own tree and the filter goes with it. */
static void run(const char *name, int filtered)
{
	int status = -1;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		char command[64];

		mode = name;
		umask(0);
		if (filtered)
			refuse_openat2();
		make_tree();
		test_following();
		test_restrictions();
		test_mounts();
		test_creation();
		snprintf(command, sizeof command, "rm -rf %s", base);
		CHECK(chdir("/") == 0 && system(command) == 0, "cleaning");
		fflush(NULL);
		_exit(failures == 0 ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0, "%s: status %d", name, status);
}

int main(void)
{
	run("openat2", 0);
	run("by hand", 1);
	return checked("resolver of init");
}
