/*
 * dist/tsrunc: one static program with the JavaScript engine, the bundle as bytecode, and the host library.
 *
 * A command lives for milliseconds. So the cycle collector never runs, nothing is torn down at the end, and the engine
 * is not even set up: it is found in the heap image (memory.h), with all modules loaded that a usual command needs. The
 * build makes the image by running this program without one:
 *
 *   tsrunc --write-heap-image FILE [USES]
 *
 * where USES is what training.c found out.
 *
 * JavaScript leaves through the host function `exit`; coming back here is either the end of a program that said nothing
 * (status 0) or an error that nobody caught (one line, status 1).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binding.h"
#include "host.h"
#include "memory.h"
#include "modules.h"
#include "quickjs.h"

/* The chunk that esbuild makes of src/cli/main.ts. */
#define MAIN_MODULE "main.js"

/*
 * Started with a closed standard stream, the first file we open would get its number, and what is printed would go
 * into that file.
 */
static void open_standard_streams(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* Without O_CLOEXEC: standard streams are for our children, too. The lowest free number is fd. */
		if (open("/dev/null", O_RDWR | O_NOCTTY) < 0)
			_exit(1);
	}
}

/* A reader that went away and a file that grew too large are errors of a call, not the end of the process. */
static void ignore_write_signals(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

/*
 * The part of the stack JavaScript may use, so that endless recursion is an exception and not a crash. Half: above us
 * on the stack are the arguments and the environment (up to a quarter), below the engine's frames those of C calls.
 */
static size_t javascript_stack(void)
{
	const size_t most = 4u << 20;
	struct rlimit limit;
	if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur / 2 > most)
		return most;
	return limit.rlim_cur / 2;
}

/* What the bundle uses: not Proxy and WeakRef, and not Eval, so that no source text can run, not even by mistake. */
static JSContext *new_context(JSRuntime *runtime)
{
	JSContext *ctx = JS_NewContextRaw(runtime);
	if (!ctx || JS_AddIntrinsicBaseObjects(ctx) || JS_AddIntrinsicDate(ctx) || JS_AddIntrinsicRegExp(ctx) ||
	    JS_AddIntrinsicJSON(ctx) || JS_AddIntrinsicMapSet(ctx) || JS_AddIntrinsicTypedArrays(ctx) ||
	    JS_AddIntrinsicPromise(ctx))
		return NULL;
	return ctx;
}

/* Where an error was thrown: the first line of its stack, or NULL. */
static const char *error_place(JSContext *ctx, JSValueConst error)
{
	if (!JS_IsError(error))
		return NULL;
	JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
	return JS_IsString(stack) ? JS_ToCString(ctx, stack) : NULL;
}

/*
 * Reports an error that the program didn't catch, which is a defect of the program: what users do wrong is worded in
 * src/cli. One line on standard error.
 */
static _Noreturn void die(JSContext *ctx, JSValueConst error)
{
	const char *text = JS_ToCString(ctx, error);
	const char *place = error_place(ctx, error);
	char line[1024];
	int length = snprintf(line, sizeof(line) - 1, "tsrunc: internal error: %s %.*s", text ? text : "unknown",
			      place ? (int)strcspn(place, "\n") : 0, place ? place : "");
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	for (int i = 0; i < length; i++) {
		if ((unsigned char)line[i] < ' ')
			line[i] = ' ';
	}
	while (length > 0 && line[length - 1] == ' ')
		length--;
	line[length++] = '\n';
	ssize_t written = write(STDERR_FILENO, line, (size_t)length);
	_exit(written < 0 ? 2 : 1);
}

/* The first rejected promise that still has no handler; a handler may come later, when the queue has run. */
static JSValue rejected_promise;
static JSValue rejection_reason;

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, bool is_handled, void *opaque)
{
	(void)opaque;
	if (!is_handled && JS_IsUndefined(rejected_promise)) {
		rejected_promise = JS_DupValue(ctx, promise);
		rejection_reason = JS_DupValue(ctx, reason);
	} else if (is_handled && JS_IsStrictEqual(ctx, promise, rejected_promise)) {
		rejected_promise = JS_UNDEFINED;
		rejection_reason = JS_UNDEFINED;
	}
}

/* Runs what is queued, until nothing is left to do. An error that nobody handles ends the program. */
static void run_jobs(JSContext *ctx)
{
	JSContext *job_context;
	int status;
	while ((status = JS_ExecutePendingJob(JS_GetRuntime(ctx), &job_context)) > 0)
		;
	if (status < 0)
		die(job_context, JS_GetException(job_context));
	if (!JS_IsUndefined(rejected_promise))
		die(ctx, rejection_reason);
}

/* Waits for a promise by running what is queued. */
static void settle(JSContext *ctx, JSValue promise)
{
	if (JS_IsException(promise))
		die(ctx, JS_GetException(ctx));
	run_jobs(ctx);
	if (JS_PromiseState(ctx, promise) == JS_PROMISE_PENDING)
		die(ctx, JS_NewString(ctx, "the program waits for something that never comes"));
	JS_FreeValue(ctx, promise);
}

static _Noreturn void fail(const char *what)
{
	char line[256];
	int length = snprintf(line, sizeof(line), "tsrunc: %s: %s\n", what, strerror(errno));
	ssize_t written = write(STDERR_FILENO, line, length < (int)sizeof(line) ? (size_t)length : sizeof(line) - 1);
	_exit(written < 0 ? 2 : 1);
}

/*
 * The engine's tables of names and of shapes (which properties an object has) double when they are full, and then all that
 * is in them is touched: for the command that crosses the border, a page of the image to copy for each few of them. So they
 * are made to grow while they hold little, to twice what all modules need.
 */
static void make_room(JSContext *ctx)
{
	enum { NAMES = 4096, SHAPES = 400 };
	static JSAtom names[NAMES];
	static JSValue objects[SHAPES];
	for (int i = 0; i < NAMES; i++) {
		char name[16];
		snprintf(name, sizeof(name), "name %d", i);
		names[i] = JS_NewAtom(ctx, name);
	}
	for (int i = 0; i < SHAPES; i++) {
		objects[i] = JS_NewObject(ctx);
		JS_DefinePropertyValue(ctx, objects[i], names[i], JS_UNDEFINED, JS_PROP_C_W_E);
	}
	for (int i = 0; i < SHAPES; i++)
		JS_FreeValue(ctx, objects[i]);
	for (int i = 0; i < NAMES; i++)
		JS_FreeAtom(ctx, names[i]);
}

/*
 * The engine makes its built-in functions, and ours of the host, when they are first looked at. That is now, down to the
 * methods of prototypes.
 */
static void make_functions(JSContext *ctx, JSValueConst object, int depth)
{
	JSPropertyEnum *names;
	uint32_t count;
	const int all = JS_GPN_STRING_MASK | JS_GPN_SYMBOL_MASK;
	if (!JS_IsObject(object) || JS_GetOwnPropertyNames(ctx, &names, &count, object, all) < 0)
		return;
	for (uint32_t i = 0; i < count; i++) {
		JSValue value = JS_GetProperty(ctx, object, names[i].atom);
		if (JS_IsException(value)) /* an accessor that wants another object */
			JS_FreeValue(ctx, JS_GetException(ctx));
		else if (depth > 1)
			make_functions(ctx, value, depth - 1);
		JS_FreeValue(ctx, value);
	}
	JS_FreePropertyEnum(ctx, names, count);
}

/*
 * Errors know the place where they were made, and not the way there: only that is ever shown (die), and what a kernel
 * refuses, which is an error for a moment, is part of most commands.
 */
static void shorten_stacks(JSContext *ctx)
{
	JSValue global = JS_GetGlobalObject(ctx);
	JSValue error = JS_GetPropertyStr(ctx, global, "Error");
	if (JS_SetPropertyStr(ctx, error, "stackTraceLimit", JS_NewInt32(ctx, 1)) < 0)
		die(ctx, JS_GetException(ctx));
	JS_FreeValue(ctx, error);
	JS_FreeValue(ctx, global);
}

/* Sets the engine up and loads the main module, whose function `start` is what main() calls. */
static void prepare(void)
{
	JSRuntime *runtime = JS_NewRuntime2(&memory_functions, NULL);
	JSContext *ctx = runtime ? new_context(runtime) : NULL;
	if (!ctx) {
		errno = ENOMEM;
		fail("the JavaScript engine cannot start");
	}
	make_room(ctx);
	shorten_stacks(ctx);
	JS_SetGCThreshold(runtime, (size_t)-1);
	JS_SetHostPromiseRejectionTracker(runtime, track_rejection, NULL);
	modules_install(runtime);
	heap_roots->error_class = JS_UNDEFINED;
	if (binding_install(ctx) < 0)
		die(ctx, JS_GetException(ctx));

	JSValue module = modules_read(ctx, MAIN_MODULE);
	if (JS_IsException(module) || JS_ResolveModule(ctx, module) < 0)
		die(ctx, JS_GetException(ctx));
	JSModuleDef *definition = JS_VALUE_GET_PTR(module);
	settle(ctx, JS_EvalFunction(ctx, module));
	JSValue names = JS_GetModuleNamespace(ctx, definition);
	heap_roots->start = JS_GetPropertyStr(ctx, names, "start");
	if (!JS_IsFunction(ctx, heap_roots->start))
		die(ctx, JS_NewString(ctx, "the main module has no function start"));
	JS_FreeValue(ctx, names);
	heap_roots->context = ctx;
}

/*
 * Modules that would make the image larger and are hardly ever needed: they are loaded when they are imported. What
 * several modules share ("chunk-") comes with the first of them that is loaded.
 */
static bool is_seldom_needed(const char *name)
{
	static const char *const seldom[] = { "chunk-", "completion-", "doctor-", "explain-", "features-", "gc-",
					      "help-", "mounts-", "seccomp-", "systemd-", "validate-" };
	for (size_t i = 0; i < sizeof(seldom) / sizeof(seldom[0]); i++) {
		if (strncmp(name, seldom[i], strlen(seldom[i])) == 0)
			return true;
	}
	return false;
}

/* Loads every other chunk and writes the heap. */
static _Noreturn void write_heap_image(JSContext *ctx, const char *path)
{
	for (size_t i = 0; i < bytecode_module_count; i++) {
		if (!is_seldom_needed(bytecode_modules[i].name))
			settle(ctx, JS_LoadModule(ctx, MAIN_MODULE, bytecode_modules[i].name));
	}
	JSValue global = JS_GetGlobalObject(ctx);
	make_functions(ctx, global, 3);
	JS_FreeValue(ctx, global);
	heap_roots->runtime = JS_GetRuntime(ctx);
	if (heap_write(path) < 0)
		fail("the heap image can't be written");
	_exit(0);
}

/* The file that training.c has written, to stay until the program's end. */
static void read_uses(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		fail(path);
	if (status.st_size == 0)
		return;
	const void *uses = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (uses == MAP_FAILED)
		fail(path);
	heap_expect(uses, (size_t)status.st_size / sizeof(struct heap_use));
}

int main(int argc, char **argv)
{
	open_standard_streams();
	ignore_write_signals();
	rejected_promise = JS_UNDEFINED;
	if (argc > 0) /* before Linux 5.18, execve could leave even the program's name out */
		host_set_arguments(argc - 1, argv + 1);

	if (!heap_roots->runtime) {
		bool writing = argc > 2 && strcmp(argv[1], "--write-heap-image") == 0;
		if (writing && argc > 3)
			read_uses(argv[3]);
		prepare();
		if (writing)
			write_heap_image(heap_roots->context, argv[2]);
		heap_roots->runtime = JS_GetRuntime(heap_roots->context);
	}
	JSContext *ctx = heap_roots->context;
	JS_UpdateStackTop(heap_roots->runtime);
	JS_SetMaxStackSize(heap_roots->runtime, javascript_stack());
	settle(ctx, JS_Call(ctx, heap_roots->start, JS_UNDEFINED, 0, NULL));
	_exit(0);
}
