/*
 * probe: the program that tests run INSIDE a container. Each verb answers one question; the answers come out as one
 * JSON object, so no test parses the output of shell tools.
 *
 *   /probe ids , caps , stat /dev/null /proc/kcore , write /etc/x hello
 *
 * Verbs are separated by a lone comma and are keys of the object in the order given; path verbs answer with an object
 * keyed by path. It is linked statically and asks system calls rather than /proc where it can, so that it also
 * works in a container without /proc. A question that fails is answered with the errno's name as a string.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;

/* ---- JSON ---- */

static void text(const char *s, size_t length)
{
	putchar('"');
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void str(const char *s)
{
	text(s, strlen(s));
}

static void key(const char *name, int *count)
{
	if ((*count)++ > 0)
		putchar(',');
	str(name);
	putchar(':');
}

static void number(const char *name, long long value, int *count)
{
	key(name, count);
	printf("%lld", value);
}

static const char *errno_name(int e)
{
	static const struct { int value; const char *name; } names[] = {
		{ EPERM, "EPERM" }, { ENOENT, "ENOENT" }, { EIO, "EIO" }, { ENXIO, "ENXIO" }, { EACCES, "EACCES" },
		{ EBUSY, "EBUSY" }, { EEXIST, "EEXIST" }, { EXDEV, "EXDEV" }, { ENODEV, "ENODEV" },
		{ ENOTDIR, "ENOTDIR" }, { EISDIR, "EISDIR" }, { EINVAL, "EINVAL" }, { ETXTBSY, "ETXTBSY" },
		{ EROFS, "EROFS" }, { ELOOP, "ELOOP" }, { ENOSYS, "ENOSYS" }, { ENOTTY, "ENOTTY" }, { EAGAIN, "EAGAIN" },
		{ ENOMEM, "ENOMEM" }, { EBADF, "EBADF" }, { ENOSPC, "ENOSPC" }, { ENAMETOOLONG, "ENAMETOOLONG" },
		{ ENOKEY, "ENOKEY" }, { ESRCH, "ESRCH" }, { ENOTSUP, "ENOTSUP" },
	};
	static char other[16];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].value == e)
			return names[i].name;
	snprintf(other, sizeof other, "E%d", e);
	return other;
}

/* "ok" or the name of errno. */
static void outcome(long result)
{
	str(result < 0 ? errno_name(errno) : "ok");
}

/* ---- who am I ---- */

static void verb_ids(int argc, char **argv)
{
	uid_t r, e, s;
	gid_t groups[1024];
	int n = 0;
	(void)argc, (void)argv;
	getresuid(&r, &e, &s);
	printf("{\"uid\":[%u,%u,%u],", r, e, s);
	getresgid(&r, &e, &s);
	printf("\"gid\":[%u,%u,%u],\"groups\":[", r, e, s);
	n = getgroups(1024, groups);
	for (int i = 0; i < n; i++)
		printf("%s%u", i ? "," : "", groups[i]);
	printf("]}");
}

static void capability_set(const char *name, unsigned long long set, int *count)
{
	key(name, count);
	printf("\"%016llx\"", set);
}

static void verb_caps(int argc, char **argv)
{
	struct { unsigned version; int pid; } header = { 0x20080522, 0 }; /* version 3; musl has no linux/ headers */
	struct { unsigned effective, permitted, inheritable; } data[2] = { 0 };
	unsigned long long bounding = 0, ambient = 0;
	int n = 0;
	(void)argc, (void)argv;
	syscall(SYS_capget, &header, data);
	for (int i = 0; i < 64; i++) {
		if (prctl(PR_CAPBSET_READ, i) == 1)
			bounding |= 1ULL << i;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1)
			ambient |= 1ULL << i;
	}
	putchar('{');
	capability_set("bounding", bounding, &n);
	capability_set("effective", data[0].effective | (unsigned long long)data[1].effective << 32, &n);
	capability_set("permitted", data[0].permitted | (unsigned long long)data[1].permitted << 32, &n);
	capability_set("inheritable", data[0].inheritable | (unsigned long long)data[1].inheritable << 32, &n);
	capability_set("ambient", ambient, &n);
	putchar('}');
}

static int proc_value(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buffer, size - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return -1;
	while (n > 0 && buffer[n - 1] == '\n')
		n--;
	buffer[n] = 0;
	return 0;
}

/* The state a process inherits without asking for it: everything V03 wants reset. */
static void verb_process(int argc, char **argv)
{
	char value[256];
	cpu_set_t cpus;
	int n = 0, dead = 0, reaper = 0;
	(void)argc, (void)argv;
	putchar('{');
	number("pid", syscall(SYS_getpid), &n);
	number("ppid", syscall(SYS_getppid), &n);
	number("sid", getsid(0), &n);
	number("pgid", getpgid(0), &n);
	number("nice", getpriority(PRIO_PROCESS, 0), &n);
	number("personality", personality(0xffffffff), &n);
	number("timerSlack", prctl(PR_GET_TIMERSLACK), &n);
	number("dumpable", prctl(PR_GET_DUMPABLE), &n);
	prctl(PR_GET_PDEATHSIG, &dead);
	number("parentDeathSignal", dead, &n);
	prctl(PR_GET_CHILD_SUBREAPER, &reaper);
	number("subreaper", reaper, &n);
	number("noNewPrivs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), &n);
	number("securebits", prctl(PR_GET_SECUREBITS), &n);
	number("keepCaps", prctl(PR_GET_KEEPCAPS), &n);
	number("thpDisable", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), &n);
	number("seccomp", prctl(PR_GET_SECCOMP), &n);
	number("scheduler", syscall(SYS_sched_getscheduler, 0), &n); /* musl's own function says ENOSYS */
	number("ioPriority", syscall(SYS_ioprio_get, 1, 0), &n);
	sched_getaffinity(0, sizeof cpus, &cpus);
	number("cpus", CPU_COUNT(&cpus), &n);
	key("coredumpFilter", &n);
	str(proc_value("/proc/self/coredump_filter", value, sizeof value) < 0 ? errno_name(errno) : value);
	key("oomScoreAdj", &n);
	str(proc_value("/proc/self/oom_score_adj", value, sizeof value) < 0 ? errno_name(errno) : value);
	key("exe", &n);
	ssize_t length = readlink("/proc/self/exe", value, sizeof value - 1);
	if (length < 0)
		str(errno_name(errno));
	else
		text(value, (size_t)length);
	putchar('}');
}

static void verb_signals(int argc, char **argv)
{
	unsigned long long blocked = 0;
	int first = 1;
	(void)argc, (void)argv;
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, 8);
	printf("{\"blocked\":[");
	for (int i = 1; i <= 64; i++)
		if (blocked >> (i - 1) & 1)
			printf("%s%d", first ? "" : ",", i), first = 0;
	printf("],\"ignored\":[");
	first = 1;
	for (int i = 1; i <= 64; i++) {
		/* The raw call: libc hides the signals that it keeps for itself. The handler comes first in the struct. */
		void *action[8] = { NULL };
		if (syscall(SYS_rt_sigaction, i, NULL, action, 8) == 0 && action[0] == (void *)SIG_IGN)
			printf("%s%d", first ? "" : ",", i), first = 0;
	}
	printf("]}");
}

static void verb_limits(int argc, char **argv)
{
	static const char *const names[] = { "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK",
		"AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME" };
	int n = 0;
	(void)argc, (void)argv;
	putchar('{');
	for (int i = 0; i < 16; i++) {
		unsigned long long limit[2] = { 0 };
		syscall(SYS_prlimit64, 0, i, NULL, limit);
		key(names[i], &n);
		printf("{\"soft\":\"%llu\",\"hard\":\"%llu\"}", limit[0], limit[1]);
	}
	putchar('}');
}

static void verb_env(int argc, char **argv)
{
	(void)argc, (void)argv;
	putchar('[');
	for (char **e = environ; *e; e++) {
		if (e != environ)
			putchar(',');
		str(*e);
	}
	putchar(']');
}

static void verb_cwd(int argc, char **argv)
{
	char path[4096] = { 0 };
	(void)argc, (void)argv;
	/* The system call itself: "(unreachable)/..." must be seen, libc would turn it into an error. */
	if (syscall(SYS_getcwd, path, sizeof path) < 0)
		str(errno_name(errno));
	else
		str(path);
}

static void verb_umask(int argc, char **argv)
{
	(void)argc, (void)argv;
	printf("%u", umask(0));
}

static void verb_uts(int argc, char **argv)
{
	struct utsname u;
	int n = 0;
	(void)argc, (void)argv;
	uname(&u);
	putchar('{');
	key("hostname", &n), str(u.nodename);
	key("domainname", &n), str(u.domainname);
	putchar('}');
}

static void verb_tty(int argc, char **argv)
{
	(void)argc, (void)argv;
	putchar('[');
	for (int fd = 0; fd < 3; fd++) {
		struct winsize size = { 0 };
		char name[128] = "";
		int n = 0;
		ioctl(fd, TIOCGWINSZ, &size);
		ttyname_r(fd, name, sizeof name);
		printf("%s{", fd ? "," : "");
		number("isatty", isatty(fd), &n);
		key("name", &n), str(name);
		number("rows", size.ws_row, &n);
		number("columns", size.ws_col, &n);
		number("session", tcgetsid(fd), &n);
		putchar('}');
	}
	putchar(']');
}

static void verb_ctty(int argc, char **argv)
{
	(void)argc, (void)argv;
	outcome(open("/dev/tty", O_RDWR | O_CLOEXEC));
}

static const char *file_type(mode_t mode)
{
	return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "link" : S_ISCHR(mode) ? "char" :
	       S_ISBLK(mode) ? "block" : S_ISFIFO(mode) ? "fifo" : S_ISSOCK(mode) ? "socket" : "other";
}

static void verb_fds(int argc, char **argv)
{
	int n = 0;
	(void)argc, (void)argv;
	putchar('{');
	for (int fd = 0; fd < 1024; fd++) {
		char name[16], path[64], target[512];
		struct stat st;
		int m = 0;
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(name, sizeof name, "%d", fd);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t length = readlink(path, target, sizeof target - 1);
		key(name, &n);
		putchar('{');
		key("type", &m), str(fstat(fd, &st) < 0 ? "?" : file_type(st.st_mode));
		number("uid", st.st_uid, &m);
		number("gid", st.st_gid, &m);
		number("flags", fcntl(fd, F_GETFL), &m);
		key("target", &m), text(target, length < 0 ? 0 : (size_t)length);
		putchar('}');
	}
	putchar('}');
}

static void verb_ns(int argc, char **argv)
{
	static const char *const types[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts" };
	int n = 0;
	(void)argc, (void)argv;
	putchar('{');
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		char path[64], target[64];
		snprintf(path, sizeof path, "/proc/self/ns/%s", types[i]);
		ssize_t length = readlink(path, target, sizeof target);
		key(types[i], &n);
		if (length < 0)
			str(errno_name(errno));
		else
			text(target, (size_t)length);
	}
	putchar('}');
}

static void verb_net(int argc, char **argv)
{
	struct if_nameindex *all = if_nameindex();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), n = 0;
	(void)argc, (void)argv;
	putchar('{');
	for (struct if_nameindex *i = all; i && i->if_name; i++) {
		struct ifreq request = { 0 };
		snprintf(request.ifr_name, sizeof request.ifr_name, "%s", i->if_name);
		ioctl(fd, SIOCGIFFLAGS, &request);
		key(i->if_name, &n);
		str(request.ifr_flags & IFF_UP ? "up" : "down");
	}
	putchar('}');
	close(fd);
}

/* The session keyring's description: "keyring;UID;GID;PERM;NAME". */
static void verb_keyring(int argc, char **argv)
{
	char description[256] = { 0 };
	(void)argc, (void)argv;
	long n = syscall(SYS_keyctl, 6, -3, description, sizeof description - 1);
	str(n < 0 ? errno_name(errno) : description);
}

/* ---- files ---- */

static void verb_stat(int argc, char **argv)
{
	int n = 0;
	putchar('{');
	for (int i = 0; i < argc; i++) {
		struct stat st;
		int m = 0;
		key(argv[i], &n);
		if (lstat(argv[i], &st) < 0) {
			str(errno_name(errno));
			continue;
		}
		putchar('{');
		key("type", &m), str(file_type(st.st_mode));
		number("mode", st.st_mode & 07777, &m);
		number("uid", st.st_uid, &m);
		number("gid", st.st_gid, &m);
		number("size", st.st_size, &m);
		number("major", major(st.st_rdev), &m);
		number("minor", minor(st.st_rdev), &m);
		number("links", (long long)st.st_nlink, &m);
		if (S_ISLNK(st.st_mode)) {
			char target[4096];
			ssize_t length = readlink(argv[i], target, sizeof target);
			key("target", &m), text(target, length < 0 ? 0 : (size_t)length);
		}
		putchar('}');
	}
	putchar('}');
}

static void verb_statfs(int argc, char **argv)
{
	int n = 0;
	putchar('{');
	for (int i = 0; i < argc; i++) {
		struct statfs st;
		key(argv[i], &n);
		if (statfs(argv[i], &st) < 0)
			str(errno_name(errno));
		else
			printf("{\"magic\":%ld,\"flags\":%ld,\"bytes\":%lld}", (long)st.f_type, (long)st.f_flags,
			       (long long)st.f_blocks * st.f_bsize);
	}
	putchar('}');
}

static void read_one(const char *path)
{
	char buffer[1 << 16];
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	ssize_t n = 0, total = 0;
	if (fd < 0) {
		printf("{\"error\":\"%s\"}", errno_name(errno));
		return;
	}
	while (total < (ssize_t)sizeof buffer && (n = read(fd, buffer + total, sizeof buffer - (size_t)total)) > 0)
		total += n;
	if (n < 0)
		printf("{\"error\":\"%s\"}", errno_name(errno));
	else
		printf("{\"text\":"), text(buffer, (size_t)total), putchar('}');
	close(fd);
}

static void verb_read(int argc, char **argv)
{
	int n = 0;
	putchar('{');
	for (int i = 0; i < argc; i++)
		key(argv[i], &n), read_one(argv[i]);
	putchar('}');
}

static void verb_mounts(int argc, char **argv)
{
	(void)argc, (void)argv;
	read_one("/proc/self/mountinfo");
}

static void verb_ls(int argc, char **argv)
{
	int n = 0;
	putchar('{');
	for (int i = 0; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		int first = 1;
		key(argv[i], &n);
		if (!dir) {
			str(errno_name(errno));
			continue;
		}
		putchar('[');
		for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			if (!first)
				putchar(',');
			first = 0;
			str(e->d_name);
		}
		putchar(']');
		closedir(dir);
	}
	putchar('}');
}

/* Opens each path read-only / read-write / creates a new file below each directory / executes each file. */
static void open_all(int argc, char **argv, int flags)
{
	int n = 0;
	putchar('{');
	for (int i = 0; i < argc; i++) {
		int fd = open(argv[i], flags | O_NONBLOCK | O_NOCTTY);
		key(argv[i], &n), outcome(fd);
		if (fd >= 0)
			close(fd);
	}
	putchar('}');
}

static void verb_open(int argc, char **argv)
{
	open_all(argc, argv, O_RDONLY);
}

static void verb_openrw(int argc, char **argv)
{
	open_all(argc, argv, O_RDWR);
}

static void verb_creat(int argc, char **argv)
{
	int n = 0;
	putchar('{');
	for (int i = 0; i < argc; i++) {
		char path[4200];
		snprintf(path, sizeof path, "%s/.probe", argv[i]);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		key(argv[i], &n), outcome(fd);
		if (fd >= 0)
			close(fd), unlink(path);
	}
	putchar('}');
}

/* write PATH TEXT: opens an existing file for writing and writes once. */
static void verb_write(int argc, char **argv)
{
	if (argc < 2) {
		str("EINVAL");
		return;
	}
	int fd = open(argv[0], O_WRONLY | O_NONBLOCK);
	long result = fd < 0 ? -1 : write(fd, argv[1], strlen(argv[1]));
	outcome(result);
	if (fd >= 0)
		close(fd);
}

/* mknod PATH MAJOR MINOR: makes a character device and opens it; {"mknod": ..., "open": ...}. */
static void verb_mknod(int argc, char **argv)
{
	if (argc < 3) {
		str("EINVAL");
		return;
	}
	int made = mknod(argv[0], S_IFCHR | 0600, makedev((unsigned)atoi(argv[1]), (unsigned)atoi(argv[2])));
	printf("{\"mknod\":"), outcome(made);
	int fd = open(argv[0], O_RDWR | O_NONBLOCK);
	printf(",\"open\":"), outcome(fd), putchar('}');
	if (fd >= 0)
		close(fd);
	unlink(argv[0]);
}

/*
 * devices TYPE:MAJOR:MINOR ...: makes each node below /tmp and opens it in three ways: an object with "TYPE MAJOR:MINOR
 * ACCESS" for a key and the outcome as value, for access m, r, w and rw.
 */
static void verb_devices(int argc, char **argv)
{
	static const struct { const char *name; int flags; } ways[] = {
		{ "r", O_RDONLY }, { "w", O_WRONLY }, { "rw", O_RDWR },
	};
	int n = 0;

	putchar('{');
	for (int i = 0; i < argc; i++) {
		unsigned major, minor;
		char type, name[64];

		if (sscanf(argv[i], "%c:%u:%u", &type, &major, &minor) != 3)
			continue;
		int made = mknod("/tmp/device", (type == 'b' ? S_IFBLK : S_IFCHR) | 0600, makedev(major, minor));
		snprintf(name, sizeof name, "%c %u:%u m", type, major, minor);
		key(name, &n), outcome(made);
		for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
			int fd = open("/tmp/device", ways[way].flags | O_NONBLOCK | O_NOCTTY);
			snprintf(name, sizeof name, "%c %u:%u %s", type, major, minor, ways[way].name);
			key(name, &n), outcome(fd);
			if (fd >= 0)
				close(fd);
		}
		unlink("/tmp/device");
	}
	putchar('}');
}

/* Runs each file and answers "ok" (it ran) or why not: shows noexec. */
static void verb_exec(int argc, char **argv)
{
	int n = 0;
	putchar('{');
	fflush(stdout);
	for (int i = 0; i < argc; i++) {
		int status, report[2];
		int failure = 0;
		if (pipe2(report, O_CLOEXEC) < 0)
			continue;
		pid_t pid = fork();
		if (pid == 0) {
			int null = open("/dev/null", O_RDWR);
			dup2(null, 1);
			execl(argv[i], argv[i], (char *)NULL);
			failure = errno;
			(void)!write(report[1], &failure, sizeof failure);
			_exit(127);
		}
		close(report[1]);
		(void)!read(report[0], &failure, sizeof failure);
		close(report[0]);
		waitpid(pid, &status, 0);
		key(argv[i], &n), str(failure ? errno_name(failure) : "ok");
	}
	putchar('}');
}

static void verb_mount(int argc, char **argv)
{
	(void)argc, (void)argv;
	outcome(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static void verb_sethostname(int argc, char **argv)
{
	(void)argc, (void)argv;
	outcome(sethostname("probe", 5));
}

/* tiocsti: pushes a byte into the terminal on fd 0, as an inmate would into its caller's. */
static void verb_tiocsti(int argc, char **argv)
{
	char byte = '#';
	(void)argc, (void)argv;
	outcome(ioctl(0, TIOCSTI, &byte));
}

/* ---- consuming things ---- */

/* forks N: starts N children that sleep and says how many were allowed. */
static void verb_forks(int argc, char **argv)
{
	int wanted = argc > 0 ? atoi(argv[0]) : 0, made = 0;
	pid_t pids[1024];
	while (made < wanted && made < 1024) {
		pids[made] = fork();
		if (pids[made] < 0)
			break;
		if (pids[made] == 0)
			for (;;)
				pause();
		made++;
	}
	for (int i = 0; i < made; i++)
		kill(pids[i], SIGKILL), waitpid(pids[i], NULL, 0);
	printf("%d", made);
}

/* alloc MIB: touches that much memory; a memory limit kills the child that does it. Answers its wait status. */
static void verb_alloc(int argc, char **argv)
{
	size_t size = (size_t)(argc > 0 ? atoi(argv[0]) : 1) << 20;
	int status = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		char *memory = malloc(size);
		for (size_t i = 0; memory && i < size; i += 4096)
			memory[i] = 1;
		_exit(memory ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	printf("%d", status);
}

static volatile sig_atomic_t last_signal;

static void remember(int signal)
{
	last_signal = signal;
}

/* trap SIGNUM...: prints "ready" at once, waits for one of the signals, answers with its number. */
static void verb_trap(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		signal(atoi(argv[i]), remember);
	dprintf(2, "ready\n");
	while (!last_signal)
		pause();
	printf("%d", last_signal);
}

/* hold: the object is finished and flushed, then the process waits to be killed (see main). */
static int hold, exit_code;

static void verb_hold(int argc, char **argv)
{
	(void)argc, (void)argv;
	hold = 1;
	printf("true");
}

static void verb_exit(int argc, char **argv)
{
	exit_code = argc > 0 ? atoi(argv[0]) : 0;
	printf("%d", exit_code);
}

static const struct { const char *name; void (*answer)(int argc, char **argv); } verbs[] = {
	{ "ids", verb_ids }, { "caps", verb_caps }, { "process", verb_process }, { "signals", verb_signals },
	{ "limits", verb_limits }, { "env", verb_env }, { "cwd", verb_cwd }, { "umask", verb_umask }, { "uts", verb_uts },
	{ "tty", verb_tty }, { "ctty", verb_ctty }, { "fds", verb_fds }, { "ns", verb_ns }, { "net", verb_net },
	{ "keyring", verb_keyring }, { "stat", verb_stat }, { "statfs", verb_statfs }, { "read", verb_read },
	{ "mounts", verb_mounts }, { "ls", verb_ls }, { "open", verb_open }, { "openrw", verb_openrw },
	{ "creat", verb_creat }, { "write", verb_write }, { "mknod", verb_mknod }, { "devices", verb_devices },
	{ "exec", verb_exec },
	{ "mount", verb_mount }, { "sethostname", verb_sethostname }, { "tiocsti", verb_tiocsti },
	{ "forks", verb_forks }, { "alloc", verb_alloc }, { "trap", verb_trap }, { "hold", verb_hold },
	{ "exit", verb_exit },
};

static void answer(int argc, char **argv, int *count)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(verbs[i].name, argv[0]) == 0) {
			key(argv[0], count);
			verbs[i].answer(argc - 1, argv + 1);
			return;
		}
	}
	fprintf(stderr, "probe: unknown verb %s\n", argv[0]);
	exit(64);
}

int main(int argc, char **argv)
{
	int count = 0, from = 1;
	putchar('{');
	for (int i = 1; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], ",") != 0)
			continue;
		if (i > from)
			answer(i - from, argv + from, &count);
		from = i + 1;
	}
	puts("}");
	fflush(stdout);
	while (hold)
		pause();
	return exit_code;
}
