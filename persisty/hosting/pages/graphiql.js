// What the headers' tab says goes along with queries, and opens the connection of a subscription.
const url = new URL("graphql", location.href);
const socket = new URL(url);
socket.protocol = location.protocol.replace("http", "ws");
const fetcher = GraphiQL.createFetcher({ url: url.href, subscriptionUrl: socket.href });
ReactDOM.createRoot(document.getElementById("graphiql")).render(React.createElement(GraphiQL, { fetcher }));
