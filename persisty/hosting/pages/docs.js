// The page of the REST documentation: Swagger UI, with the filters of an attribute, the request headers and the errors of a route folded.

const opened = new Set();
const listeners = new Set();

function toggle(group) {
  if (!opened.delete(group)) opened.add(group);
  listeners.forEach((listener) => listener());
}

// `text__contains` is a filter of the attribute `text`.
const attributeOf = (name) => (name.includes("__") ? name.slice(0, name.lastIndexOf("__")) : null);

const Folded = ({ React }) => {
  const h = React.createElement;

  function useFolds() {
    const [, redraw] = React.useReducer((count) => count + 1, 0);
    React.useEffect(() => {
      listeners.add(redraw);
      return () => listeners.delete(redraw);
    }, []);
  }

  const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

  // The row that opens and closes a group, below or above the rows of the group.
  const fold = (group, what, more) => h("tr", { key: group, className: "fold" },
    h("td", null),
    h("td", { colSpan: 2 },
      h("button", { type: "button", "aria-expanded": opened.has(group), onClick: () => toggle(group) },
        `${opened.has(group) ? "Hide" : "Show"} ${what}`),
      opened.has(group) ? null : h("span", null, more)));

  const parameters = (ParameterRow) => (props) => {
    useFolds();
    const route = props.pathMethod.join(" ");
    const declared = props.specSelectors.specJson().getIn(["paths", ...props.pathMethod, "parameters"]);
    const known = declared ? declared.toArray().map((one) => [one.get("name"), one.get("in")]) : [];
    const name = props.rawParam.get("name");
    const row = h(ParameterRow, { ...props, key: name });
    if (props.rawParam.get("in") === "header") {
      const headers = known.filter(([, place]) => place === "header").map(([one]) => one);
      const group = `${route} headers`;
      const shown = opened.has(group) ? row : null;
      return headers[0] === name ? [fold(group, counted(headers.length, "request header"), headers.join(", ")), shown] : shown;
    }
    const names = known.filter(([, place]) => place === "query").map(([one]) => one);
    const attribute = attributeOf(name);
    if (attribute !== null && names.includes(attribute)) return opened.has(`${route} ${attribute}`) ? row : null;
    const operators = names.filter((one) => attributeOf(one) === name).map((one) => one.slice(name.length + 2));
    if (operators.length === 0) return row;
    return [row, fold(`${route} ${name}`, `${counted(operators.length, "filter")} of ${name}`, operators.join(", "))];
  };

  const errors = (Response) => (props) => {
    useFolds();
    const row = h(Response, { ...props, key: props.code });
    if (Number(props.code) < 400 || props.response.get("description") === undefined) return row;
    const declared = props.specSelectors.specJson().getIn(["paths", props.path, props.method, "responses"]);
    const codes = declared ? declared.keySeq().toArray().filter((one) => Number(one) >= 400) : [];
    if (!codes.includes(props.code)) return row;
    const group = `${props.path} ${props.method} errors`;
    const shown = opened.has(group) ? row : null;
    return codes[0] === props.code ? [fold(group, counted(codes.length, "error"), codes.join(", ")), shown] : shown;
  };

  // A closed padlock stands for a route that this caller cannot use, an open one for a route that it can.
  const reversed = (Button) => (props) => h(Button, { ...props, isAuthorized: !props.isAuthorized });

  return {
    wrapComponents: {
      parameterRow: parameters,
      response: errors,
      authorizeOperationBtn: reversed,
      authorizeBtn: reversed,
    },
  };
};

window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  plugins: [Folded],
});
