import { type Context, idArgument } from "../context.ts";
export function run(context: Context): number {
  return idArgument(context).length;
}
