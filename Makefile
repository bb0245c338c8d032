# Builds what is out of date, and only that. `npm run build` calls it; `make help` lists the targets.
#
#   src/**.ts ----- esbuild (Node) ---------------------------------------------------> dist/cli.js, dist/index.js
#       \---------- esbuild (engine) -> build/js/*.js -> bytecode --------------------> dist/tsrunc
#   native/init --- musl ------------> build/init/tsrunc-init -> embedded in both:
#   native/host + native/node ---- node-gyp ------------------------------------------> build/Release/tsrunc.node
#   native/host + native/quickjs + the engine (tools/fetch-quickjs.sh) ---------------> dist/tsrunc

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

.PHONY: all always help print-werror generated init node static asan fuzz clean

CC = gcc
MUSL_CC = musl-gcc
OBJCOPY = objcopy
# What runs programs for another processor, when the compilers above are for that one: make RUN=qemu-aarch64-static ...
RUN =
# A build/heap.uses of another build, of this processor or another one, to be taken instead of watching commands
USES =
# Seconds that each fuzz program runs under `make fuzz`
FUZZ_SECONDS = 20

# ---- flags -----------------------------------------------------------------------------------------------------------

# With compilers that were tried, a warning is an error; a newer one may warn about more and shall still build.
WERROR := $(if $(filter 11 12,$(shell $(CC) -dumpversion)),-Werror)
WARNINGS = $(WERROR) -Wall -Wextra -Wshadow -Wswitch-enum -Wformat=2 -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wundef -Wcast-qual -Wwrite-strings
HARDENING = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
SECTIONS = -ffunction-sections -fdata-sections
C = -std=gnu17 -D_GNU_SOURCE -fvisibility=hidden -Inative/include -Inative/host
LINK = -static -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--build-id=none

# ---- what there is ---------------------------------------------------------------------------------------------------

headers := $(wildcard native/include/* native/host/*.h native/host/*.def native/init/*.h native/quickjs/*.h)
sources_init := $(wildcard native/init/*.c native/plan/*.c)
sources_host := $(wildcard native/host/*.c native/plan/*.c)
sources_quickjs := $(filter-out $(addprefix native/quickjs/,compile.c training.c), $(wildcard native/quickjs/*.c))
sources_node := $(wildcard native/node/*.c)
sources_native_tests := $(wildcard test/native/*.c)
sources_fuzz := $(wildcard test/fuzz/*.c)
sources_ts := $(shell find src -name '*.ts' ! -name '*.test.ts')
engine := quickjs dtoa libregexp libunicode

# The engine's sources come from the package archive; where they can't be had, the Node host is all there is.
all: node
	@if tools/fetch-quickjs.sh; then $(MAKE) --no-print-directory static; fi

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

# For binding.gyp
print-werror:
	@echo $(WERROR)

init: build/init/tsrunc-init ## the program that runs a plan inside the container
node: dist/cli.js build/Release/tsrunc.node ## the Node host: dist/cli.js and its addon
static: dist/tsrunc ## the QuickJS host: one static program

# ---- TypeScript: the schema's validators are made first, then esbuild bundles all for each engine -----------------------

# The commit is part of what --version prints: it changes with .git/logs/HEAD.
bundle_inputs = $(sources_ts) $(generated) tools/bundle.js package.json tsconfig.json $(wildcard .git/logs/HEAD)
generated = build/generated/fits.js build/generated/explain.js

generated: $(generated) ## the validators made from schema/: needed to type-check and to run unit tests

$(generated) &: schema/config.schema.json tools/build-validators.mjs
	node tools/build-validators.mjs
	@touch $(generated)

# ---- init: small, because every start of a container writes it into a memfd and runs it --------------------------------

# The whole program in one compilation, its parts close together: without -flto and init_link, three pages more.
init_flags = -Os -flto $(C) $(WARNINGS) $(HARDENING) $(SECTIONS) -fno-pie -no-pie \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fno-ident
init_link = $(LINK) -Wl,-z,noseparate-code -Wl,-z,norelro
# The aim is 64 KiB; the same code is a tenth larger in aarch64's instructions.
init_max_bytes = $(if $(filter aarch64%,$(shell $(CC) -dumpmachine)),73727,65535)

build/init/tsrunc-init: $(sources_init) $(headers) Makefile build/kernel-headers/linux
	@mkdir -p $(@D)
	@rm -f $@
	$(MUSL_CC) $(init_flags) -isystem build/kernel-headers $(sources_init) $(init_link) -s -o $@
	@size=$$(stat -c %s $@); [ $$size -le $(init_max_bytes) ] || { echo "$@: $$size bytes are too many" >&2; exit 1; }

# musl's compiler wrapper hides the system's headers, the kernel's among them: these three folders are only the kernel's.
build/kernel-headers/linux:
	@mkdir -p $(@D)
	@ln -sfn /usr/include/linux $@
	@ln -sfn /usr/include/asm-generic $(@D)/asm-generic
	@ln -sfn /usr/include/$$($(CC) -print-multiarch)/asm $(@D)/asm

# ---- the Node host -----------------------------------------------------------------------------------------------------

build/Release/tsrunc.node: $(sources_node) $(sources_host) $(headers) native/embed-init.S build/init/tsrunc-init \
		binding.gyp tools/build-addon.sh
	tools/build-addon.sh
	@touch $@

dist/cli.js: $(bundle_inputs)
	node tools/bundle.js node

# ---- the QuickJS host --------------------------------------------------------------------------------------------------

# musl here, too: the same program linked with glibc starts 0.2 ms later (it asks the processor for its features, which
# is slow in a virtual machine). The engine is not ours: its warnings are its authors' business.
# The macro that compilers set for AddressSanitizer means for this engine that every block is asked for by itself, which is
# what native/quickjs/memory.c wants; it means nothing else.
engine_flags = -O2 -D__SANITIZE_ADDRESS__ -D_GNU_SOURCE -w $(SECTIONS) -fvisibility=hidden
host_flags = -O2 $(C) $(WARNINGS) $(HARDENING) $(SECTIONS) -isystem build/kernel-headers -isystem build/quickjs/src \
	-MMD -MP

objects_engine := $(engine:%=build/obj/engine/%.o)
objects_host := $(sources_host:native/%.c=build/obj/%.o)
objects_quickjs := $(sources_quickjs:native/%.c=build/obj/%.o)

# Linked with an empty heap, which this very program then fills: see native/quickjs/memory.h. Fixed addresses, or the
# pointers in it would lead nowhere.
dist/tsrunc: build/tsrunc-cold build/heap.uses
	@mkdir -p $(@D)
	$(RUN) build/tsrunc-cold --write-heap-image build/heap.image build/heap.uses || \
		$(RUN) build/tsrunc-cold --write-heap-image build/heap.image
	$(OBJCOPY) --update-section .heap=build/heap.image $< $@.new
	@mv $@.new $@

# Commands are run, with the same program, to find out how to lay the heap out: see native/quickjs/training.c.
build/heap.uses: build/tsrunc-training tools/train-heap.mjs test/fixtures/configs/podman-default.json
	$(if $(USES),cp $(USES) $@,$(if $(RUN),: >$@,node tools/train-heap.mjs $< $@))

build/tsrunc-training: build/tsrunc-training-cold
	$(RUN) build/tsrunc-training-cold --write-heap-image build/training.image
	$(OBJCOPY) --update-section .heap=build/training.image $< $@.new
	@mv $@.new $@

objects_tsrunc = $(objects_engine) $(objects_host) $(objects_quickjs) build/obj/embed-init.o build/obj/bytecode.o

build/tsrunc-cold: $(objects_tsrunc)
	$(MUSL_CC) -no-pie -o $@ $^ $(LINK) -s -lm

build/tsrunc-training-cold: $(objects_tsrunc) build/obj/quickjs/training.o
	$(MUSL_CC) -no-pie -o $@ $^ $(LINK) -s -lm

# Half a minute of compiling: done again only when the sources or these flags have changed.
build/obj/engine/%.o: build/quickjs/src/quickjs.h build/obj/engine/flags
	$(MUSL_CC) $(engine_flags) -c build/quickjs/src/$*.c -o $@

build/obj/engine/flags: always
	@mkdir -p $(@D)
	@echo '$(MUSL_CC) $(engine_flags)' | cmp --quiet - $@ || echo '$(MUSL_CC) $(engine_flags)' >$@

build/obj/%.o: native/%.c Makefile build/quickjs/src/quickjs.h build/kernel-headers/linux
	@mkdir -p $(@D)
	$(MUSL_CC) $(host_flags) -c $< -o $@

build/obj/embed-init.o: native/embed-init.S build/init/tsrunc-init
	@mkdir -p $(@D)
	$(CC) -Wa,-I,build/init -c $< -o $@

build/quickjs/src/quickjs.h: tools/quickjs.lock
	tools/fetch-quickjs.sh

build/js/main.js: $(bundle_inputs)
	node tools/bundle.js quickjs

build/compile-bytecode: native/quickjs/compile.c $(objects_engine)
	$(MUSL_CC) $(host_flags) -MF build/obj/compile.d $< $(objects_engine) -static -lm -o $@

build/obj/bytecode.o: build/js/main.js build/compile-bytecode
	@mkdir -p build/bytecode && rm -f build/bytecode/*
	$(RUN) build/compile-bytecode -g build/bytecode/table.S build/bytecode build/js/*.js
	$(CC) -c build/bytecode/table.S -o $@

-include $(objects_host:.o=.d) $(objects_quickjs:.o=.d) build/obj/quickjs/training.d build/obj/compile.d

# ---- sanitizers: the library and init as two archives, each program of test/native and test/fuzz linked with both --------

sanitize = -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
asan_flags = $(sanitize) $(C) -Inative/init $(WARNINGS) -MMD -MP

programs_native := $(sources_native_tests:test/%.c=build/asan/test/%)
programs_fuzz := $(sources_fuzz:test/%.c=build/asan/test/%)

asan: $(programs_native) $(programs_fuzz) ## the programs of test/native and test/fuzz, with AddressSanitizer and UBSan
fuzz: $(programs_fuzz) ## run each program of test/fuzz for FUZZ_SECONDS
	@for program in $^; do echo "$$program $(FUZZ_SECONDS)"; $$program $(FUZZ_SECONDS) || exit 1; done

build/asan/test/%: test/%.c build/asan/libhost.a build/asan/libinit.a build/obj/embed-init.o Makefile
	@mkdir -p $(@D)
	$(CC) $(asan_flags) $(filter %.c %.o, $^) -Wl,--start-group $(filter %.a, $^) -Wl,--end-group -lm -o $@

# This one has another program in the place of init, which tells what it was given.
build/asan/test/native/host_launch: test/native/host_launch.c build/asan/libhost.a build/asan/standin/embed-init.o Makefile
	@mkdir -p $(@D)
	$(CC) $(asan_flags) $(filter %.c %.o, $^) -Wl,--start-group $(filter %.a, $^) -Wl,--end-group -lm -o $@

build/asan/standin/embed-init.o: native/embed-init.S build/asan/standin/tsrunc-init
	$(CC) -Wa,-I,build/asan/standin -c $< -o $@

build/asan/standin/tsrunc-init: test/native/standin/init.c $(headers) Makefile
	@mkdir -p $(@D)
	$(MUSL_CC) -Os $(C) $(WARNINGS) $< -static -s -o $@

build/asan/libhost.a: $(sources_host:native/%.c=build/asan/%.o)
build/asan/libinit.a: $(patsubst native/%.c,build/asan/%.o,$(filter native/init/%,$(sources_init)))
build/asan/lib%.a:
	@rm -f $@
	ar rcs $@ $^

# The test program has a main of its own.
build/asan/init/%.o: asan_flags += -Dmain=tsrunc_init_main -Wno-missing-prototypes
build/asan/%.o: native/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(asan_flags) -c $< -o $@

-include $(wildcard build/asan/*/*.d build/asan/test/*/*.d)

clean: ## removes everything made, and keeps what was fetched
	rm -rf dist build/arm64/tree
	find build -mindepth 1 -maxdepth 1 $(addprefix ! -name ,quickjs peers lab arm64 conformance criu lock) -exec rm -rf {} +
