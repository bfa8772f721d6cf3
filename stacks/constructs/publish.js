// A mutation that publishes: it returns its input, which AppSync delivers to the subscriptions. AppSync has parsed the JSON already.
export function request(ctx) {
  return { payload: ctx.arguments.item };
}

export function response(ctx) {
  return ctx.result;
}
