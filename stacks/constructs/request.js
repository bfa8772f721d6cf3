// A root field: one invocation for each.
export function request(ctx) {
  return { operation: "Invoke", payload: told(ctx) };
}
