// The resolver of every root field: one invocation of the function, which answers {data, errors} or {error}.
// What is selected is named one by one: JSON.stringify leaves it out of ctx.info.
import { util } from "@aws-appsync/utils";

export function request(ctx) {
  return {
    operation: "Invoke",
    payload: {
      fieldName: ctx.info.fieldName,
      arguments: ctx.arguments,
      selectionSetGraphQL: ctx.info.selectionSetGraphQL,
      selectionSetList: ctx.info.selectionSetList,
      variables: ctx.info.variables,
      identity: ctx.identity,
      request: { headers: { authorization: ctx.request.headers.authorization } },
    },
  };
}

export function response(ctx) {
  if (ctx.error) {
    util.error(ctx.error.message, ctx.error.type);
  }
  const { data, error, errors } = ctx.result;
  if (error) {
    util.error(error.message, error.code, null, error.info);
  }
  for (const below of errors ?? []) {
    util.appendError(below.message, below.code, null, below.info);
  }
  return data;
}
