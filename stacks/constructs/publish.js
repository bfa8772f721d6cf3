// A mutation that subscriptions follow: what it is given is what they are told. AppSync has read the JSON already.
export function request(ctx) {
  return { payload: ctx.arguments.item };
}

export function response(ctx) {
  return ctx.result;
}
