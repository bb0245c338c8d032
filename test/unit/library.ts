// Compiled only (npm run check): types/tsrunc.d.ts promises nothing that src/index.ts doesn't keep, and the other way
// round, and a program that uses the package sees these types.

import type * as Package from "tsrunc";
import type { ContainerState, Plan, UserError } from "tsrunc";
import type * as Actual from "../../src/index.ts";

/** Compiles if every A is a B. */
type Is<A extends B, B> = A;

type Instance = InstanceType<typeof Actual.Runtime>;
type Declared = InstanceType<typeof Package.Runtime>;

/** Same methods, same parameters, same results. printPlan alone wants more of a plan than it tells. */
export type Kept = [
  Is<keyof Instance, keyof Declared>,
  Is<keyof Declared, keyof Instance>,
  Is<keyof typeof Actual, keyof typeof Package>,
  Is<keyof typeof Package, keyof typeof Actual>,
  Is<Parameters<Declared["create"]>, Parameters<Instance["create"]>>,
  Is<ReturnType<Instance["create"]>, ReturnType<Declared["create"]>>,
  Is<ReturnType<Declared["state"]>, ReturnType<Instance["state"]>>,
  Is<Parameters<Declared["kill"]>, Parameters<Instance["kill"]>>,
  Is<Parameters<Declared["wait"]>, Parameters<Instance["wait"]>>,
  Is<ReturnType<Instance["wait"]>, ReturnType<Declared["wait"]>>,
  Is<Parameters<Declared["delete"]>, Parameters<Instance["delete"]>>,
  Is<Parameters<Declared["exec"]>[2], Parameters<Instance["exec"]>[2]>,
  Is<ReturnType<Instance["output"]>, ReturnType<Declared["output"]>>,
  Is<ReturnType<Instance["ps"]>, ReturnType<Declared["ps"]>>,
  Is<ReturnType<Instance["stats"]>, ReturnType<Declared["stats"]>>,
  Is<Parameters<Declared["addMounts"]>, Parameters<Instance["addMounts"]>>,
  Is<Parameters<Declared["removeMounts"]>, Parameters<Instance["removeMounts"]>>,
  Is<ReturnType<Instance["plan"]>, ReturnType<Declared["plan"]>>,
  Is<ReturnType<Instance["validate"]>, ReturnType<Declared["validate"]>>,
  Is<ConstructorParameters<typeof Package.Runtime>, ConstructorParameters<typeof Actual.Runtime>>,
  Is<Actual.UserError, UserError>,
];

/** As a user writes it. */
export function use(runtime: Package.Runtime): readonly [ContainerState, Plan, number] {
  const state = runtime.create("id", { bundle: "/b" });
  // @ts-expect-error: a bundle is needed
  runtime.create("id", {});
  // @ts-expect-error: there is no such option
  runtime.delete("id", { forced: true });
  return [state, runtime.plan("/b"), runtime.exec("id", ["true"], { timeoutMs: 5 })];
}
