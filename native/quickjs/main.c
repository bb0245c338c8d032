/*
 * dist/tsrunc: one static program with the JavaScript engine, the bundle as bytecode, and the host library.
 *
 * A command lives for milliseconds. So the cycle collector never runs, nothing is torn down at the end, and only the
 * chunks that are imported are loaded. JavaScript leaves through the host function `exit`; coming back here is either
 * the end of a program that said nothing (status 0) or an error that nobody caught (one line, status 1).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

/* Runs the main module and then everything it has queued. Returns when nothing is left to do. */
static void run(JSContext *ctx)
{
	JSValue module = modules_read(ctx, MAIN_MODULE);
	if (JS_IsException(module) || JS_ResolveModule(ctx, module) < 0)
		die(ctx, JS_GetException(ctx));
	JSValue promise = JS_EvalFunction(ctx, module);
	if (JS_IsException(promise))
		die(ctx, JS_GetException(ctx));

	JSContext *job_context;
	int status;
	while ((status = JS_ExecutePendingJob(JS_GetRuntime(ctx), &job_context)) > 0)
		;
	if (status < 0)
		die(job_context, JS_GetException(job_context));
	if (!JS_IsUndefined(rejected_promise))
		die(ctx, rejection_reason);
	if (JS_PromiseState(ctx, promise) == JS_PROMISE_PENDING)
		die(ctx, JS_NewString(ctx, "the program waits for something that never comes"));
}

int main(int argc, char **argv)
{
	open_standard_streams();
	ignore_write_signals();

	JSRuntime *runtime = JS_NewRuntime2(&memory_functions, NULL);
	JSContext *ctx = runtime ? new_context(runtime) : NULL;
	if (!ctx) {
		static const char message[] = "tsrunc: the JavaScript engine cannot start: cannot allocate memory\n";
		ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);
		_exit(written < 0 ? 2 : 1);
	}
	JS_SetGCThreshold(runtime, (size_t)-1);
	JS_SetMaxStackSize(runtime, javascript_stack());
	rejected_promise = JS_UNDEFINED;
	JS_SetHostPromiseRejectionTracker(runtime, track_rejection, NULL);
	modules_install(runtime);
	if (argc > 0) /* before Linux 5.18, execve could leave even the program's name out */
		host_set_arguments(argc - 1, argv + 1);
	if (binding_install(ctx) < 0)
		die(ctx, JS_GetException(ctx));
	run(ctx);
	_exit(0);
}
