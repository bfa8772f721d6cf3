// What the function is told of a field.
// What is selected is named one by one: JSON.stringify leaves it out of ctx.info.
function told(ctx) {
  return {
    fieldName: ctx.info.fieldName,
    arguments: ctx.arguments,
    selectionSetGraphQL: ctx.info.selectionSetGraphQL,
    selectionSetList: ctx.info.selectionSetList,
    variables: ctx.info.variables,
    identity: ctx.identity,
    request: { headers: { authorization: ctx.request.headers.authorization } },
  };
}
