/* The dialogue with the runtime; protocol.h draws it. */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "passed_fd.h"

/* Sends one message. Returns 0, or -1 when there is no channel or nobody at its other end. */
static int try_send(const struct init *in, enum message_kind kind, int value, const char *call, const char *detail,
		    int fd)
{
	char buffer[MESSAGE_MAX];
	struct init_message header = {.kind = (uint32_t)kind, .op = in->op, .value = value};
	struct text words = text_in(buffer + sizeof(header), sizeof(buffer) - sizeof(header));
	union passed_fd control;
	struct iovec part;
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (in->control < 0)
		return -1;
	memcpy(buffer, &header, sizeof(header));
	text_add_bytes(&words, call, strlen(call) + 1);
	text_add(&words, detail);
	part = (struct iovec){buffer, sizeof(header) + words.len};
	if (fd >= 0)
		passed_fd_put(&message, &control, fd);
	do
		/* as few kinds of calls as possible: a seccomp filter may already be there. (SIGPIPE then is as good an end as any.) */
		sent = fd < 0 && !in->committed ? write(in->control, buffer, part.iov_len)
						: sendmsg(in->control, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -1 : 0;
}

/* The runtime is gone before the commit: no commit, no life. */
static _Noreturn void give_up(struct init *in)
{
	undo_mounts(in);
	_exit(1);
}

void message_send(struct init *in, enum message_kind kind, int value, const char *call, const char *detail, int fd)
{
	if (try_send(in, kind, value, call, detail, fd) < 0 && !in->committed)
		give_up(in);
}

void message_wait(struct init *in, int *fd)
{
	char byte = 0;
	union passed_fd control;
	struct iovec part = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.bytes)};
	ssize_t got;
	int came;

	do
		got = fd == NULL ? read(in->control, &byte, 1) : recvmsg(in->control, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got != 1 || byte != GO || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		give_up(in);
	if (fd == NULL)
		return;
	came = passed_fd_get(&message);
	*fd = take_fd(&came);
}

void message_note(struct init *in, const struct failure *why)
{
	message_send(in, MESSAGE_NOTE, why->err, why->call, why->detail, -1);
}

/* After the start byte: "op errno call", a line feed, the detail, in one write so that it stays together. */
static int tell_status(const struct init *in, const struct failure *why)
{
	char buffer[MESSAGE_MAX];
	struct text words = text_in(buffer, sizeof(buffer));

	text_add_number(&words, in->op);
	text_add(&words, " ");
	text_add_number(&words, (uint64_t)why->err);
	text_add(&words, " ");
	text_add(&words, why->call);
	text_add(&words, "\n");
	text_add(&words, why->detail);
	return write(in->status, words.at, words.len) == (ssize_t)words.len ? 0 : -1;
}

/* The errors that are likely at the very end; strerror(3) would be a tenth of this program. */
static const struct {
	int err;
	const char *words;
} likely[] = {
	{ENOENT, "no such file or directory"}, {EACCES, "permission denied"}, {EPERM, "operation not permitted"},
	{ENOEXEC, "exec format error"},        {E2BIG, "argument list too long"}, {ENOMEM, "cannot allocate memory"},
	{ETXTBSY, "text file busy"},           {ELOOP, "too many levels of symbolic links"},
};

static void add_errno(struct text *words, int err)
{
	text_add(words, ": ");
	for (size_t i = 0; i < sizeof(likely) / sizeof(likely[0]); i++)
		if (likely[i].err == err) {
			text_add(words, likely[i].words);
			return;
		}
	text_add(words, "errno ");
	text_add_number(words, (uint64_t)err);
}

/* The last resort: standard error of the container. */
static void tell_stderr(const struct failure *why)
{
	char buffer[MESSAGE_MAX];
	struct text words = text_in(buffer, sizeof(buffer));

	text_add(&words, "tsrunc: ");
	text_add(&words, why->call);
	text_add(&words, " ");
	text_add(&words, why->detail);
	if (why->err != 0)
		add_errno(&words, why->err);
	text_add(&words, "\n");
	if (write(2, words.at, words.len) < 0)
		return; /* and that was all we could do */
}

void message_die(struct init *in, const struct failure *why)
{
	signal(SIGPIPE, SIG_IGN);
	undo_mounts(in);
	if (in->times != NULL && !in->committed) {
		/* the one that failed, too */
		in->times[in->op++] = monotonic();
		message_times(in);
		in->op--;
	}
	if (try_send(in, MESSAGE_FAILED, why->err, why->call, why->detail, -1) < 0 && in->committed &&
	    (in->status < 0 || tell_status(in, why) < 0))
		tell_stderr(why);
	_exit(255);
}

void message_times(struct init *in)
{
	char buffer[DETAIL_MAX];
	struct text words = text_in(buffer, sizeof(buffer));
	uint32_t present = in->op;
	uint64_t last = in->began;

	for (uint32_t i = 0; i < present; i++) {
		if (words.len == 0) {
			in->op = i;
			text_add_number(&words, last);
		}
		text_add(&words, " ");
		text_add_number(&words, in->times[i] - last);
		last = in->times[i];
		if (words.len > sizeof(buffer) - 64 || i + 1 == present) {
			message_send(in, MESSAGE_TIMES, 0, "", buffer, -1);
			words = text_in(buffer, sizeof(buffer));
		}
	}
	in->op = present;
}
