import { host } from "#host";
import { loadBundle } from "../../container/bundle.ts";
import { run as runContainer } from "../../container/run.ts";
import { isErrno, UserError } from "../../errors.ts";
import { compileSeccomp, prepareSeccomp } from "../../seccomp/compile.ts";
import { disassemble } from "../../seccomp/disassemble.ts";
import { explainSyscall } from "../../seccomp/explain.ts";
import { syscallName } from "../../seccomp/names.ts";
import { observing } from "../../seccomp/observe.ts";
import type { LinuxSeccomp, Machine } from "../../seccomp/profile.ts";
import { readJson } from "../../spec/json.ts";
import { absolute, type Context } from "../context.ts";
import { booleanFlag, textFlag } from "../flags.ts";
import { bundlePath, toolsFor } from "../load.ts";
import { createOptions } from "../options.ts";

export async function run(context: Context): Promise<number> {
  const [action, argument] = context.args;
  switch (action) {
    case "explain":
      return explain(context, argument);
    case "trace":
      return await trace(context, argument);
    default:
      throw new UserError(`unknown action ${JSON.stringify(action)}`, { code: "usage", hint: "use explain or trace" });
  }
}

// ---- explain: what a profile does with a call, and which rule says so ---------------------------------------------------

function explain(context: Context, file: string | undefined): number {
  const profile = file === undefined ? bundleProfile(context) : fileProfile(absolute(file));
  const question = textFlag(context.command, "syscall");
  const parts: string[] = [];
  if (question !== undefined) parts.push(answer(profile, question));
  if (booleanFlag(context.command, "dump")) {
    parts.push(`${disassemble(compileSeccomp(profile, { arch: machine() }).program).join("\n")}\n`);
  }
  if (parts.length === 0) parts.push(summary(profile));
  host.writeFd(1, parts.join("\n"));
  return 0;
}

function bundleProfile(context: Context): LinuxSeccomp {
  const profile = loadBundle(bundlePath(context), context.facts).config.linux?.seccomp;
  if (profile === undefined) throw new UserError("the config has no seccomp profile", { at: "/linux/seccomp" });
  return profile;
}

/** A profile on its own, or a whole config.json. */
function fileProfile(path: string): LinuxSeccomp {
  const text = host.readText(path, 16 << 20);
  const document = readJson(text, path, host.checkJson) as { readonly linux?: { readonly seccomp?: unknown } };
  const profile = document.linux?.seccomp ?? document;
  if (!("defaultAction" in (profile as object))) {
    throw new UserError(`${path} holds no seccomp profile: it has no defaultAction`, { code: "config" });
  }
  return profile as LinuxSeccomp;
}

function machine(): Machine {
  return host.kernel()[1] === "aarch64" ? "aarch64" : "x86_64";
}

function summary(profile: LinuxSeccomp): string {
  const { instructions, skipped, notify, flags } = compileSeccomp(profile, { arch: machine() });
  const rules = (profile.syscalls ?? []).map(
    ({ action, names, args = [] }, index) =>
      `  rule ${index}: ${action}${args.length > 0 ? " under conditions" : ""}: ${names.join(" ")}`,
  );
  return [
    `default: ${profile.defaultAction}`,
    `architectures: ${(profile.architectures ?? ["the machine's own"]).join(" ")}`,
    `flags: ${flags.length === 0 ? "none" : flags.join(" ")}`,
    ...rules,
    ...(skipped.length === 0 ? [] : [`unknown calls, skipped: ${skipped.join(" ")}`]),
    `program: ${instructions} instructions${notify ? ", with a listener" : ""}`,
    "",
  ].join("\n");
}

/** The answer to --syscall NAME[,ARG...]. */
function answer(profile: LinuxSeccomp, question: string): string {
  const [syscall = "", ...words] = question.split(",");
  const args = words.map((word) => {
    if (/^(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})$/.test(word)) return BigInt(word);
    throw new UserError(`the argument ${JSON.stringify(word)} is no number`, { at: "--syscall", code: "usage" });
  });
  const arch = machine();
  const { introduced, explanations } = explainSyscall(profile, { arch, syscall, ...(args.length > 0 ? { args } : {}) });
  const lines = [`${syscall}${introduced === undefined ? "" : ` (since linux ${introduced})`}`];
  for (const { architecture, number, verdicts } of explanations) {
    lines.push(`  ${architecture}: ${number === undefined ? "no such call" : `number ${number}`}`);
    for (const { action, reason, rule, conditions } of verdicts) {
      const origin = rule === undefined ? reason : `/linux/seccomp/syscalls/${rule}`;
      lines.push(`    ${conditions === "" ? "" : `if ${conditions}: `}${action}   # ${origin}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

// ---- trace: run it, deny nothing, tell what would have been denied ------------------------------------------------------

async function trace(context: Context, id: string | undefined): Promise<number> {
  if (id === undefined) throw new UserError("trace needs a container id", { code: "usage" });
  const bundle = loadBundle(bundlePath(context), context.facts);
  const profile = bundle.config.linux?.seccomp;
  if (profile === undefined) throw new UserError("the config has no seccomp profile", { at: "/linux/seccomp" });
  const options = { ...createOptions(context), detach: false, keep: false, noSubreaper: false, traceSeccomp: true };
  const tools = { ...(await toolsFor(bundle)), seccomp: prepareObserving };
  return runContainer(context.store, id, bundle, { ...options, report: (calls) => tell(profile, calls) }, tools);
}

const prepareObserving: typeof prepareSeccomp = (profile, options) => observing(prepareSeccomp(profile, options));

function tell(profile: LinuxSeccomp, calls: ReturnType<typeof host.listenerReport>): void {
  if (calls.length === 0) {
    host.writeFd(2, "tsrunc seccomp trace: the profile would have denied nothing\n");
    return;
  }
  const lines = calls.map(([audit, number, count, ...args]) => {
    const name = syscallName(audit, number) ?? `number ${number} of architecture 0x${audit.toString(16)}`;
    const shown = args.map((arg) => `0x${BigInt(arg).toString(16)}`).join(", ");
    return `  ${name}: ${count} ${count === 1 ? "time" : "times"}, first with (${shown})${verdictOf(profile, name, args)}`;
  });
  host.writeFd(2, `tsrunc seccomp trace: the profile would have denied\n${lines.join("\n")}\n`);
}

/** What would have happened to a call; nothing for one that has no name. */
function verdictOf(profile: LinuxSeccomp, syscall: string, args: readonly (number | bigint)[]): string {
  try {
    const { explanations } = explainSyscall(profile, { arch: machine(), syscall, args: args.map(BigInt) });
    const [own] = explanations;
    const [verdict] = own?.verdicts ?? [];
    return verdict === undefined ? "" : `: ${verdict.action}`;
  } catch (error) {
    if (error instanceof UserError || isErrno(error)) return "";
    throw error;
  }
}
