// The resolver of every root field: one invocation of the function, which answers {data} or {error}.
import { util } from "@aws-appsync/utils";

export function request(ctx) {
  return {
    operation: "Invoke",
    payload: {
      fieldName: ctx.info.fieldName,
      arguments: ctx.arguments,
      selectionSetList: ctx.info.selectionSetList,
    },
  };
}

export function response(ctx) {
  if (ctx.error) {
    util.error(ctx.error.message, ctx.error.type);
  }
  const { data, error } = ctx.result;
  if (error) {
    util.error(error.message, error.code, null, error.info);
  }
  return data;
}
