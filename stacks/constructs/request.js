// What the function is told of a root field: one invocation for each.
// What is selected is named one by one: JSON.stringify leaves it out of ctx.info.
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
