/* Entering the container's cgroups of v1 hierarchies. (v2 is entered by clone3 itself: CLONE_INTO_CGROUP.) */
#include "init.h"

#include <errno.h>
#include <unistd.h>

int run_join_cgroup(struct init *in, const struct op_join_cgroup *op, struct failure *why)
{
	(void)in;
	for (uint32_t i = 0; i < op->count; i++) {
		int tasks = slot_fd(op->first + i);
		ssize_t written;

		/* "0" is the writing thread, and we have only one */
		do
			written = write(tasks, "0", 1);
		while (written < 0 && errno == EINTR);
		if (written < 0)
			return FAIL(why, errno, "write", "tasks");
		close_fd(&tasks);
	}
	return 0;
}
