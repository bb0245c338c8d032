/*
 * A new file system by mount(2), for options that fsconfig(2) doesn't take: its values end at 255 bytes, which the layers of
 * an overlay pass easily, while mount(2) takes a page for all options together. It can only mount onto a path, so the mount
 * is cloned from there into a detached one and taken away again, and from then on is treated like any other.
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "kernel.h"

#define FSCONFIG_VALUE_MAX 255
#define OPTIONS_MAX 4095 /* a page with its NUL */

int options_too_long(struct plan_strs options)
{
	while (options.count > 0) {
		const char *value = strchr(plan_strs_next(&options).ptr, '=');

		if (value != NULL && strlen(value + 1) > FSCONFIG_VALUE_MAX)
			return 1;
	}
	return 0;
}

/* Options that mount(2) has as flags. */
static const struct {
	const char *word;
	unsigned long flag;
} flag_words[] = {
	{"sync", MS_SYNCHRONOUS}, {"dirsync", MS_DIRSYNC}, {"lazytime", MS_LAZYTIME}, {"mand", MS_MANDLOCK},
	{"iversion", MS_I_VERSION}, {"async", 0}, {"nolazytime", 0}, {"nomand", 0}, {"noiversion", 0},
};

static int flag_word(const char *word, unsigned long *flags)
{
	for (size_t i = 0; i < sizeof(flag_words) / sizeof(flag_words[0]); i++)
		if (strcmp(word, flag_words[i].word) == 0) {
			*flags |= flag_words[i].flag;
			return 1;
		}
	return 0;
}

/* The options in one text, and the flags among them. */
static int join_options(struct plan_strs options, char data[OPTIONS_MAX + 1], unsigned long *flags, struct failure *why)
{
	struct text text = text_in(data, OPTIONS_MAX + 1);
	size_t wanted = 0;

	while (options.count > 0) {
		const char *word = plan_strs_next(&options).ptr;

		if (flag_word(word, flags))
			continue;
		wanted += strlen(word) + (wanted > 0);
		text_add(&text, text.len > 0 ? "," : "");
		text_add(&text, word);
	}
	if (wanted > OPTIONS_MAX)
		return FAIL(why, E2BIG, "mount", "options of more than 4095 bytes");
	return 0;
}

/* mount(2), through our own procfs, onto what target stands for. */
static int mount_on(struct init *in, int target, const struct op_mount *op, unsigned long flags, const char *data)
{
	int result;

	if (fchdir(in->proc_fds) < 0)
		return -1;
	result = mount(op->source.ptr, digits_of((uint64_t)target).text, op->type.ptr, flags, data);
	if (chdir("/") < 0)
		return -1;
	return result;
}

int make_filesystem_by_page(struct init *in, const struct op_mount *op, int target, struct failure *why)
{
	unsigned long flags = MS_NODEV | MS_NOSUID | MS_NOEXEC; /* until the clone has what it is to have */
	int how = (op->flags & PLAN_MOUNT_NOFOLLOW) != 0 ? RESOLVE_LAST_LINK : 0;
	struct attributes attr = {.set = op->attr, .clear = KERNEL_ATTR_NODEV | KERNEL_ATTR_NOSUID | KERNEL_ATTR_NOEXEC};
	char data[OPTIONS_MAX + 1];
	_scoped int mounted = -1;
	_scoped int clone = -1;
	int later;

	if (join_options(op->options, data, &flags, why) < 0)
		return -1;
	if (in->proc_fds < 0 || mount_on(in, target, op, flags, data) < 0)
		return FAIL(why, in->proc_fds < 0 ? ENXIO : errno, "mount", op->type.ptr);
	mounted = resolve(in->root, op->path.ptr, how, NULL);
	if (mounted < 0)
		return FAIL(why, errno, "openat2", "\"", op->path.ptr, "\"");
	clone = kernel_open_tree(mounted, "", KERNEL_OPEN_TREE_CLONE | AT_EMPTY_PATH);
	if (clone < 0)
		return FAIL(why, errno, "open_tree", "\"", op->path.ptr, "\"");
	if (unmount(in, mounted) < 0)
		return FAIL(why, errno, "umount2", "\"", op->path.ptr, "\"");
	attr.clear &= ~op->attr;
	if (set_attributes(clone, &attr, &later, why) < 0 || later)
		return later ? FAIL(why, ENOSYS, "mount_setattr", "long options need linux 5.12") : -1;
	return take_fd(&clone);
}
