// The beginning of a subscription: the function gives {filter} or {error}. Without a filter nobody is subscribed to anything.
import { extensions, util } from "@aws-appsync/utils";

export function response(ctx) {
  if (ctx.error) {
    util.error(ctx.error.message, ctx.error.type);
  }
  const { filter, error } = ctx.result;
  if (error) {
    util.error(error.message, error.code, null, error.info);
  }
  if (!filter) {
    util.error("No filter", "internal_error");
  }
  extensions.setSubscriptionFilter(filter);
  return null;
}
