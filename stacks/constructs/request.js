// A root field: one invocation.
export function request(ctx) {
  return { operation: "Invoke", payload: payload(ctx) };
}
