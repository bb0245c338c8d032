/* One descriptor that travels with a message on a Unix socket (unix(7), SCM_RIGHTS). For the host library and init. */
#ifndef TSRUNC_PASSED_FD_H
#define TSRUNC_PASSED_FD_H

#include <string.h>
#include <sys/socket.h>

/* Room for it, aligned as the kernel wants it. */
union passed_fd {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* Sends fd along; it stays the caller's. `room` has to live until the message is sent. */
static inline void passed_fd_put(struct msghdr *message, union passed_fd *room, int fd)
{
	memset(room, 0, sizeof(*room));
	room->header.cmsg_level = SOL_SOCKET;
	room->header.cmsg_type = SCM_RIGHTS;
	room->header.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&room->header), &fd, sizeof(fd));
	message->msg_control = room;
	message->msg_controllen = sizeof(*room);
}

/* The descriptor that came along, -1 if there is none; it is the caller's. More than one has no room and can't come. */
static inline int passed_fd_get(struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

#endif
