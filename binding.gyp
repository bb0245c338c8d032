# The addon build/Release/tsrunc.node. Built by tools/build-addon.sh, after build/init/tsrunc-init.
{
  "targets": [
    {
      "target_name": "tsrunc",
      "sources": [
        "<!@(ls native/node/*.c native/host/*.c native/plan/*.c)",
        "native/embed-init.S",
      ],
      "include_dirs": ["native/include", "native/host"],
      "defines": ["_GNU_SOURCE", "_FORTIFY_SOURCE=2"],
      # The warnings and protections of the Makefile. node-gyp adds -fPIC and more.
      "cflags": [
        "-std=gnu17", "-O2", "<!@(make --no-print-directory --silent print-werror)", "-Wall", "-Wextra", "-Wshadow", "-Wswitch-enum", "-Wformat=2", "-Wconversion",
        "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla", "-Wundef", "-Wcast-qual", "-Wwrite-strings",
        "-fvisibility=hidden", "-Wa,-I,<(module_root_dir)/build/init", "-fstack-protector-strong", "-fstack-clash-protection",
      ],
      # -O3 brings false alarms; what node-gyp switches off for the code of others stays on for ours.
      "cflags!": ["-O3", "-Wno-unused-parameter"],
      "ldflags": ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"],
    }
  ]
}
