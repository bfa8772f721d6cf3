// The payload for the function. The selection is copied by name, because JSON.stringify leaves it out of ctx.info.
function payload(ctx) {
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
