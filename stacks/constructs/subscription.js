// The start of a subscription: the function returns {filter} or {error}. Without a filter the subscription is refused.
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
