// The response of a query or mutation: the function returns {data, errors} or {error}.
import { util } from "@aws-appsync/utils";

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
