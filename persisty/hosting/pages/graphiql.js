// What the headers' tab says goes along with queries, and opens the connection of a subscription.
const socket = `${location.protocol.replace("http", "ws")}//${location.host}/graphql`;
const fetcher = GraphiQL.createFetcher({ url: "/graphql", subscriptionUrl: socket });
ReactDOM.createRoot(document.getElementById("graphiql")).render(React.createElement(GraphiQL, { fetcher }));
