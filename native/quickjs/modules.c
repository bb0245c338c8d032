/* The module loader: names are looked up in the table that compile-bytecode embedded. No file is ever opened. */
#include "modules.h"

#include <string.h>

JSValue modules_read(JSContext *ctx, const char *name)
{
	for (size_t i = 0; i < bytecode_module_count; i++) {
		const struct bytecode_module *module = &bytecode_modules[i];
		if (strcmp(module->name, name) == 0)
			return JS_ReadObject(ctx, module->bytes, module->length, JS_READ_OBJ_BYTECODE);
	}
	return JS_ThrowReferenceError(ctx, "no chunk is called %s", name);
}

/* "./chunk.js" -> "chunk.js": in a flat folder the importer's own place doesn't matter. */
static char *normalise(JSContext *ctx, const char *importer, const char *name, void *opaque)
{
	(void)importer;
	(void)opaque;
	return js_strdup(ctx, strncmp(name, "./", 2) == 0 ? name + 2 : name);
}

static JSModuleDef *load(JSContext *ctx, const char *name, void *opaque)
{
	(void)opaque;
	JSValue module = modules_read(ctx, name);
	if (JS_IsException(module))
		return NULL;
	/* The context keeps all its modules, so this value needn't be held. */
	JSModuleDef *definition = JS_VALUE_GET_PTR(module);
	JS_FreeValue(ctx, module);
	return definition;
}

void modules_install(JSRuntime *runtime)
{
	JS_SetModuleLoaderFunc(runtime, normalise, load, NULL);
}
