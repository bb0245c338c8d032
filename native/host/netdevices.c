/*
 * Moving a network device into another network namespace, with its addresses: the kernel drops those on the way. Spoken
 * in rtnetlink, https://man7.org/linux/man-pages/man7/rtnetlink.7.html, one request and its answer at a time.
 */
#include "host.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "fd.h"
#include "kernel.h"

#define NAME_SIZE IFNAMSIZ
#define ADDRESSES_MAX 256

/* An address as it is added again: IPv4 or IPv6, own and peer's address, broadcast. */
struct address {
	struct ifaddrmsg header;
	uint32_t flags;
	uint8_t own_len, peer_len, broadcast_len;
	uint8_t own[16], peer[16], broadcast[16];
};

struct request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
	} body;
	uint8_t attributes[256];
};

/* A netlink socket of the namespace we are in, or of the one behind `namespace_fd` (>= 0). -1 with errno. */
static int open_netlink(int namespace_fd)
{
	OWNED_FD own = -1;
	int netlink, err;

	if (namespace_fd < 0)
		return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	own = fd_open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0 || setns(namespace_fd, CLONE_NEWNET) < 0)
		return -1;
	/* a socket stays in the namespace that it was made in */
	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	err = errno;
	if (setns(own, CLONE_NEWNET) < 0)
		_exit(70); /* elsewhere than we believe: nothing that follows could be right */
	errno = err;
	return netlink;
}

static void begin(struct request *request, uint16_t type, uint16_t flags, size_t body)
{
	memset(request, 0, sizeof *request);
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = NLM_F_REQUEST | flags;
	request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
}

static void add_attribute(struct request *request, uint16_t type, const void *value, size_t len)
{
	struct rtattr *attribute = (void *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(attribute), value, len);
	request->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
}

/* Sends a request and waits for its acknowledgement. 0, or -1 with the kernel's errno. */
static int ask(int netlink, struct request *request)
{
	union {
		struct nlmsghdr header;
		char bytes[8192];
	} answer;
	ssize_t len;

	request->header.nlmsg_flags |= NLM_F_ACK;
	if (send(netlink, request, request->header.nlmsg_len, 0) < 0)
		return -1;
	do
		len = recv(netlink, &answer, sizeof answer, 0);
	while (len < 0 && errno == EINTR);
	if (len < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || answer.header.nlmsg_type != NLMSG_ERROR) {
		errno = len < 0 ? errno : EPROTO;
		return -1;
	}
	errno = -((struct nlmsgerr *)NLMSG_DATA(&answer.header))->error;
	return errno == 0 ? 0 : -1;
}

/* The index of a device in the namespace of a netlink socket, 0 with errno if there is none. */
static unsigned index_of(int netlink, const char *name)
{
	struct ifreq request;

	memset(&request, 0, sizeof request);
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	return ioctl(netlink, SIOCGIFINDEX, &request) < 0 ? 0 : (unsigned)request.ifr_ifindex;
}

static int set_up(int netlink, unsigned index, bool up)
{
	struct request request;

	begin(&request, RTM_NEWLINK, 0, sizeof request.body.link);
	request.body.link.ifi_index = (int)index;
	request.body.link.ifi_change = IFF_UP;
	request.body.link.ifi_flags = up ? IFF_UP : 0;
	return ask(netlink, &request);
}

static bool is_up(int netlink, const char *name)
{
	struct ifreq request;

	memset(&request, 0, sizeof request);
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	return ioctl(netlink, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
}

/* Copies an attribute that is an address of either family. */
static void keep_bytes(const struct rtattr *attribute, uint8_t bytes[16], uint8_t *len)
{
	size_t payload = RTA_PAYLOAD(attribute);

	if (payload > 16)
		return;
	memcpy(bytes, RTA_DATA(attribute), payload);
	*len = (uint8_t)payload;
}

/* Takes one address of a dump: only those of the device that are lasting and hold everywhere. */
static size_t keep_address(const struct nlmsghdr *message, unsigned index, struct address *address)
{
	const struct ifaddrmsg *header = NLMSG_DATA(message);
	size_t left = IFA_PAYLOAD(message);

	if (message->nlmsg_type != RTM_NEWADDR || header->ifa_index != index || header->ifa_scope != RT_SCOPE_UNIVERSE)
		return 0;
	memset(address, 0, sizeof *address);
	address->header = *header;
	address->flags = header->ifa_flags;
	for (const struct rtattr *a = IFA_RTA(header); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFA_LOCAL)
			keep_bytes(a, address->own, &address->own_len);
		else if (a->rta_type == IFA_ADDRESS)
			keep_bytes(a, address->peer, &address->peer_len);
		else if (a->rta_type == IFA_BROADCAST)
			keep_bytes(a, address->broadcast, &address->broadcast_len);
		else if (a->rta_type == IFA_FLAGS && RTA_PAYLOAD(a) == sizeof address->flags)
			memcpy(&address->flags, RTA_DATA(a), sizeof address->flags);
	}
	return (address->flags & IFA_F_PERMANENT) != 0;
}

/* The addresses of a device. Their number, or -1 with errno. */
static int read_addresses(int netlink, unsigned index, struct address addresses[ADDRESSES_MAX])
{
	union {
		struct nlmsghdr header;
		char bytes[32768];
	} answer;
	struct request request;
	size_t count = 0;

	begin(&request, RTM_GETADDR, NLM_F_DUMP, sizeof request.body.address);
	request.body.address.ifa_family = AF_UNSPEC;
	if (send(netlink, &request, request.header.nlmsg_len, 0) < 0)
		return -1;
	for (;;) {
		ssize_t got = recv(netlink, &answer, sizeof answer, 0);
		size_t left = (size_t)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		for (struct nlmsghdr *m = &answer.header; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
			if (m->nlmsg_type == NLMSG_DONE)
				return (int)count;
			if (m->nlmsg_type == NLMSG_ERROR) {
				errno = -((struct nlmsgerr *)NLMSG_DATA(m))->error;
				return -1;
			}
			if (count == ADDRESSES_MAX) {
				errno = E2BIG;
				return -1;
			}
			count += keep_address(m, index, &addresses[count]);
		}
	}
}

static int add_address(int netlink, unsigned index, const struct address *address)
{
	/* what the kernel found out by itself is not told back to it */
	uint32_t flags = address->flags & ~(uint32_t)(IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED);
	struct request request;

	begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof request.body.address);
	request.body.address = address->header;
	request.body.address.ifa_index = index;
	request.body.address.ifa_flags = (uint8_t)flags;
	if (address->own_len > 0)
		add_attribute(&request, IFA_LOCAL, address->own, address->own_len);
	if (address->peer_len > 0)
		add_attribute(&request, IFA_ADDRESS, address->peer, address->peer_len);
	if (address->broadcast_len > 0)
		add_attribute(&request, IFA_BROADCAST, address->broadcast, address->broadcast_len);
	add_attribute(&request, IFA_FLAGS, &flags, sizeof flags);
	return ask(netlink, &request);
}

/* One request moves and renames, so that there is no moment with the wrong name among devices it could be taken for. */
static int move(int netlink, unsigned index, int namespace_fd, const char *name)
{
	struct request request;

	begin(&request, RTM_NEWLINK, 0, sizeof request.body.link);
	request.body.link.ifi_index = (int)index;
	add_attribute(&request, IFLA_NET_NS_FD, &namespace_fd, sizeof namespace_fd);
	add_attribute(&request, IFLA_IFNAME, name, strlen(name) + 1);
	return ask(netlink, &request);
}

/* The first free name of a pattern "eth%d" in the target. */
static void number_name(int target, const char *pattern, char name[NAME_SIZE])
{
	const char *mark = strstr(pattern, "%d");

	snprintf(name, NAME_SIZE, "%s", pattern);
	for (unsigned number = 0; mark != NULL && number < 10000; number++) {
		snprintf(name, NAME_SIZE, "%.*s%u%s", (int)(mark - pattern), pattern, number, mark + 2);
		if (index_of(target, name) == 0)
			return;
	}
}

/* Everything that can fail. What was tried goes to *step. */
static int move_device(int own, int target, int namespace_fd, const char *from, char name[NAME_SIZE], const char **step)
{
	static struct address addresses[ADDRESSES_MAX];
	unsigned index = index_of(own, from);
	bool was_up = is_up(own, from);
	int count, err;

	*step = "look up";
	if (index == 0)
		return -1;
	/* the kernel moves first and then finds that it can't rename */
	*step = "move";
	if (index_of(target, name) != 0) {
		errno = EEXIST;
		return -1;
	}
	*step = "read the addresses of";
	count = read_addresses(own, index, addresses);
	if (count < 0)
		return -1;
	*step = "bring down";
	if (set_up(own, index, false) < 0)
		return -1;
	*step = "move";
	if (move(own, index, namespace_fd, name) < 0) {
		err = errno;
		(void)set_up(own, index, was_up);
		errno = err;
		return -1;
	}
	*step = "find again";
	index = index_of(target, name);
	if (index == 0)
		return -1;
	*step = "add an address to";
	for (int i = 0; i < count; i++)
		if (add_address(target, index, &addresses[i]) < 0)
			return -1;
	*step = "bring up";
	return set_up(target, index, true);
}

int host_moveNetDevice(struct host_call *call)
{
	OWNED_FD own = -1, target = -1;
	const char *from, *to, *step;
	char name[NAME_SIZE];
	int namespace_fd;

	if (arg_fd(call, 0, "namespaceFd", &namespace_fd) < 0 || arg_cstr(call, 1, "from", &from) < 0 ||
	    arg_cstr(call, 2, "to", &to) < 0)
		return -1;
	if (strlen(from) >= NAME_SIZE || strlen(to) >= NAME_SIZE)
		return host_fail(call, ENAMETOOLONG, "netlink", "%s", strlen(from) >= NAME_SIZE ? from : to);
	own = open_netlink(-1);
	target = own < 0 ? -1 : open_netlink(namespace_fd);
	if (target < 0)
		return host_fail(call, errno, "socket", "%s", "netlink");
	number_name(target, to, name);
	if (move_device(own, target, namespace_fd, from, name, &step) < 0)
		return host_fail(call, errno, "netlink", "%s %s", step, from);
	return 0;
}
