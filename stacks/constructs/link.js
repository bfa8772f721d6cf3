// A link. If its object has it for these arguments, it is returned at once. Otherwise one invocation fetches it for many objects, by the key
// in each object.
import { runtime } from "@aws-appsync/utils";

export function request(ctx) {
  const name = ctx.info.fieldName;
  const loaded = ctx.source[name];
  if (loaded !== undefined && same(ctx.source[`${name}()`], ctx.arguments ?? {})) {
    runtime.earlyReturn(loaded);
  }
  const typeName = ctx.info.parentTypeName;
  return { operation: "BatchInvoke", payload: { ...payload(ctx), typeName, source: ctx.source[`:${name}`] } };
}

function same(wanted, given) {
  const names = Object.keys(given);
  return !wanted || (names.length === Object.keys(wanted).length && names.every((name) => wanted[name] === JSON.stringify(given[name])));
}
