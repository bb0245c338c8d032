/*
 * What init reads of the container's files: a home in /etc/passwd, and why a program can't be executed. Both are
 * hostile.
 */
#include "check.h"

#include <elf.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"

/* A copy that ends where its memory ends, so that reading beyond is noticed. */
static void expect_home(const char *text, size_t len, uint32_t uid, const char *home)
{
	char *exact = malloc(len > 0 ? len : 1);
	const char *found = "";
	size_t size;

	memcpy(exact, text, len);
	size = passwd_home(exact, len, uid, &found);
	CHECK(size == strlen(home) && memcmp(found, home, size) == 0, "%.60s: uid %u: %.*s", text, uid, (int)size,
	      found);
	free(exact);
}

#define HOME(text, uid, home) expect_home(text, sizeof(text) - 1, uid, home)

static void test_passwd(void)
{
	char *large = malloc(200000);

	HOME("root:x:0:0:root:/root:/bin/sh\n", 0, "/root");
	HOME("root:x:0:0:root:/root:/bin/sh", 0, "/root");
	HOME("a:x:1:1::/a:\nb:x:2:2::/b:\nc:x:2:2::/c:\n", 2, "/b");
	HOME("a:x:1:1::/a:\n", 2, "");
	HOME("", 0, "");
	HOME("\n\n\n:\n::\n:::::\nb:x:0:0::/b:\n", 0, "/b");
	HOME("a:x:0:0::/a\n", 0, ""); /* a field too few */
	HOME("a:x:4294967296:0::/wraps:\n", 0, "");
	HOME("a:x:4294967295:0::/minus-one:\n", 4294967295u, "");
	HOME("a:x:4294967294:0::/last:\n", 4294967294u, "/last");
	HOME("a:x::0::/empty:\na:x:-0:0::/sign:\na:x:+0:0::/sign:\na:x: 0:0::/space:\na:x:0x0:0::/hex:\n", 0, "");
	HOME("a:x:00000000000:0::/long:\n", 0, "");
	HOME("a:x:0:0::relative:\n", 0, "");
	HOME("a:x:0:0:::\n", 0, "");
	HOME("a:x:0:0::/n\0ul:\n", 0, "");
	HOME("a:x:0:0::/a:sh:more\n", 0, "/a");
	memset(large, 'x', 200000);
	memcpy(large + 199960, "\na:x:7:0::/after-a-long-line:\n", 30);
	expect_home(large, 200000, 7, "/after-a-long-line");
	memcpy(large, "a:x:7:0::/", 10);
	memcpy(large + 60000, ":\n", 2);
	expect_home(large, 200000, 7, ""); /* longer than any path */
	free(large);
}

static const char *write_program(const void *bytes, size_t len)
{
	static char path[] = "program";
	FILE *file = fopen(path, "w");

	CHECK(file != NULL && fwrite(bytes, 1, len, file) == len && fclose(file) == 0, "%s", strerror(errno));
	return path;
}

static void expect_words(const void *bytes, size_t len, int err, const char *words)
{
	struct failure why;

	CHECK(explain_exec(write_program(bytes, len), err, &why) == -1, "always a failure");
	CHECK(why.err == err && strcmp(why.call, "exec") == 0, "%s: errno %d", why.call, why.err);
	CHECK(strcmp(why.detail, words) == 0, "%s, not %s", why.detail, words);
}

#define WORDS(text, err, words) expect_words(text, sizeof(text) - 1, err, words)

static void test_scripts(void)
{
	char long_line[600], words[400];

	WORDS("#!/nonexistent/sh\n", ENOENT, "\"program\": its interpreter \"/nonexistent/sh\"");
	WORDS("#! \t/nonexistent/sh -e\n", ENOENT, "\"program\": its interpreter \"/nonexistent/sh\"");
	WORDS("#!/nonexistent/sh", ENOENT, "\"program\": its interpreter \"/nonexistent/sh\"");
	WORDS("#!/bin/sh\r\necho\r\n", ENOENT,
	      "\"program\": its first line ends with a carriage return (CR LF line ends), "
	      "so its interpreter isn't found");
	WORDS("#!/dev/null\n", EACCES, "\"program\": it or its interpreter \"/dev/null\"");
	WORDS("#!/bin/sh\n", ETXTBSY, "\"program\"");
	WORDS("#!\n", ENOEXEC, "\"program\"");
	WORDS("", ENOEXEC, "\"program\": the file is empty");
	WORDS("hello\n", ENOEXEC, "\"program\": neither a program nor a script that begins with #!");
	memset(long_line, '/', sizeof long_line);
	memcpy(long_line, "#!", 2);
	/* only the first 256 bytes are looked at */
	snprintf(words, sizeof words, "\"program\": it or its interpreter \"%.254s\"", long_line + 2);
	expect_words(long_line, sizeof long_line, EACCES, words);
}

/* A program with one part that names its loader. */
struct program {
	Elf64_Ehdr head;
	Elf64_Phdr part;
	char loader[32];
};

static struct program make_program(void)
{
	struct program p = {
		.head = {.e_machine = EM_X86_64, .e_phoff = sizeof p.head, .e_phnum = 1, .e_phentsize = sizeof p.part},
		.part = {.p_type = PT_INTERP, .p_offset = offsetof(struct program, loader), .p_filesz = 12},
		.loader = "/no/such/ld",
	};

#if defined(__aarch64__)
	p.head.e_machine = EM_AARCH64;
#endif
	memcpy(p.head.e_ident, ELFMAG, SELFMAG);
	p.head.e_ident[EI_CLASS] = ELFCLASS64;
	return p;
}

static void test_programs(void)
{
	struct program p = make_program();

	expect_words(&p, sizeof p, ENOENT, "\"program\": its loader \"/no/such/ld\"");
	p.part.p_filesz = 257;
	expect_words(&p, sizeof p, ENOENT, "\"program\"");
	p.part.p_filesz = 1;
	expect_words(&p, sizeof p, ENOENT, "\"program\"");
	p = make_program();
	p.part.p_offset = UINT64_MAX;
	expect_words(&p, sizeof p, ENOENT, "\"program\"");
	p = make_program();
	p.part.p_offset = 1u << 30;
	expect_words(&p, sizeof p, ENOENT, "\"program\"");
	p = make_program();
	p.head.e_phoff = UINT64_MAX - 8;
	expect_words(&p, sizeof p, ENOENT, "\"program\"");
	p = make_program();
	p.head.e_phnum = 0xffff;
	p.part.p_type = PT_LOAD;
	expect_words(&p, sizeof p, ENOENT, "\"program\"");
	p = make_program();
	p.head.e_machine = EM_RISCV;
	expect_words(&p, sizeof p, ENOEXEC,
#if defined(__aarch64__)
		     "\"program\": made for riscv, this machine is aarch64"
#else
		     "\"program\": made for riscv, this machine is x86_64"
#endif
	);
	p.head.e_machine = 4711;
	expect_words(&p, 40, ENOEXEC, "\"program\": neither a program nor a script that begins with #!");
}

static void test_odd_files(void)
{
	struct failure why;

	CHECK(mkfifo("fifo", 0666) == 0, "%s", strerror(errno));
	CHECK(explain_exec("fifo", EACCES, &why) == -1 && strcmp(why.detail, "\"fifo\"") == 0, "%s", why.detail);
	CHECK(explain_exec("missing", ENOENT, &why) == -1 && strcmp(why.detail, "\"missing\"") == 0, "%s", why.detail);
	CHECK(explain_exec(".", EACCES, &why) == -1 && strcmp(why.detail, "\".\"") == 0, "%s", why.detail);
}

/* Text that doesn't fit is cut off, never written beyond. */
static void test_text(void)
{
	char buffer[8];
	struct text text = text_in(buffer, sizeof buffer);
	struct failure *why = malloc(sizeof *why);
	char *long_text = malloc(2 * DETAIL_MAX);

	text_add(&text, "abc");
	text_add_number(&text, 18446744073709551615u);
	CHECK(strcmp(buffer, "abc1844") == 0 && text.len == 7, "%s", buffer);
	text_add(&text, "x");
	CHECK(strcmp(buffer, "abc1844") == 0, "%s", buffer);
	CHECK(strcmp(digits_of(0).text, "0") == 0 && strcmp(digits_of(1u << 31).text, "2147483648") == 0, "digits");
	memset(long_text, 'l', 2 * DETAIL_MAX);
	long_text[2 * DETAIL_MAX - 1] = 0;
	CHECK(FAIL(why, 5, "call", "a", long_text, "b") == -1 && strlen(why->detail) == DETAIL_MAX - 1, "detail");
	CHECK(text_find("abcabd", "abd") != NULL && text_find("abd", "abd") != NULL, "find");
	CHECK(text_find("ab", "abc") == NULL && text_find("", "a") == NULL, "find nothing");
	free(long_text);
	free(why);
}

int main(void)
{
	char directory[] = "/tmp/tsrunc-files-XXXXXX", command[64];

	CHECK(mkdtemp(directory) != NULL && chdir(directory) == 0, "%s", strerror(errno));
	test_passwd();
	test_scripts();
	test_programs();
	test_odd_files();
	test_text();
	snprintf(command, sizeof command, "rm -rf %s", directory);
	CHECK(chdir("/") == 0 && system(command) == 0, "cleaning");
	return checked("files that init reads");
}
