/*
 * Build time only: compiles the chunks of the bundle to bytecode, with the very engine that will run them.
 *
 *   compile-bytecode [-g] OUTPUT.S FOLDER CHUNK.js...
 *
 * Writes FOLDER/CHUNK.js.bc for each chunk, and an assembly file that embeds them all as the table `bytecode_modules`
 * (modules.h). -g keeps line numbers, for stack traces. Any syntax error ends it with the engine's message.
 */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quickjs.h"

static _Noreturn void die(const char *subject, const char *problem)
{
	fprintf(stderr, "compile-bytecode: %s: %s\n", subject, problem);
	exit(1);
}

/* The whole file with a NUL behind it, as JS_Eval wants it. */
static char *read_source(const char *path, size_t *ret_length)
{
	FILE *file = fopen(path, "rbe");
	if (!file || fseek(file, 0, SEEK_END) < 0)
		die(path, "cannot be opened");
	long length = ftell(file);
	char *text = length < 0 ? NULL : malloc((size_t)length + 1);
	if (!text)
		die(path, "cannot be measured");
	rewind(file);
	if (fread(text, 1, (size_t)length, file) != (size_t)length)
		die(path, "cannot be read");
	fclose(file);
	text[length] = '\0';
	*ret_length = (size_t)length;
	return text;
}

static void write_bytes(const char *path, const uint8_t *bytes, size_t length)
{
	FILE *file = fopen(path, "wbe");
	if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
		die(path, "cannot be written");
}

static int never_run(JSContext *ctx, JSModuleDef *module)
{
	(void)ctx;
	(void)module;
	return -1;
}

/* The engine looks for what a chunk imports even when it only compiles it. An empty module of that name will do. */
static JSModuleDef *pretend_to_load(JSContext *ctx, const char *name, void *opaque)
{
	(void)opaque;
	return JS_NewCModule(ctx, name, never_run);
}

static void compile(JSContext *ctx, const char *source_path, const char *name, const char *output_path, int strip)
{
	size_t length;
	char *source = read_source(source_path, &length);
	JSValue module = JS_Eval(ctx, source, length, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
	free(source);
	if (JS_IsException(module)) {
		JSValue error = JS_GetException(ctx);
		const char *text = JS_ToCString(ctx, error);
		die(source_path, text ? text : "cannot be compiled");
	}
	size_t bytes_length;
	uint8_t *bytes = JS_WriteObject(ctx, &bytes_length, module, JS_WRITE_OBJ_BYTECODE | strip);
	if (!bytes)
		die(source_path, "its bytecode cannot be written");
	write_bytes(output_path, bytes, bytes_length);
	js_free(ctx, bytes);
	JS_FreeValue(ctx, module);
}

int main(int argc, char **argv)
{
	int strip = JS_WRITE_OBJ_STRIP_SOURCE | JS_WRITE_OBJ_STRIP_DEBUG;
	if (argc > 1 && strcmp(argv[1], "-g") == 0) {
		strip = JS_WRITE_OBJ_STRIP_SOURCE;
		argv++;
		argc--;
	}
	if (argc < 4)
		die("usage", "compile-bytecode [-g] OUTPUT.S FOLDER CHUNK.js...");
	JSRuntime *runtime = JS_NewRuntime();
	JSContext *ctx = runtime ? JS_NewContext(runtime) : NULL;
	FILE *table = fopen(argv[1], "we");
	if (!ctx || !table)
		die(argv[1], "cannot be opened");

	JS_SetModuleLoaderFunc(runtime, NULL, pretend_to_load, NULL);

	int count = argc - 3;
	fputs("\t.section .rodata\n", table);
	for (int i = 0; i < count; i++) {
		char path[4096];
		const char *name = basename(argv[3 + i]);
		if (snprintf(path, sizeof(path), "%s/%s.bc", argv[2], name) >= (int)sizeof(path))
			die(argv[3 + i], "its name is too long");
		compile(ctx, argv[3 + i], name, path, strip);
		fprintf(table, "name%d:\t.asciz \"%s\"\n\t.balign 16\nstart%d:\t.incbin \"%s\"\nend%d:\n", i, name, i, path, i);
	}
	fprintf(table, "\t.globl bytecode_module_count\n\t.balign 8\nbytecode_module_count:\t.8byte %d\n", count);
	fputs("\t.section .data.rel.ro, \"aw\"\n\t.globl bytecode_modules\n\t.balign 8\nbytecode_modules:\n", table);
	for (int i = 0; i < count; i++)
		fprintf(table, "\t.8byte name%d, start%d, end%d - start%d\n", i, i, i, i);
	fputs("\t.section .note.GNU-stack, \"\", %progbits\n", table);
	if (fclose(table) != 0)
		die(argv[1], "cannot be written");
	return 0;
}
