// The headers of the tab "Headers" go with queries, and open the connection of a subscription.
const url = new URL("graphql", location.href);
const socket = new URL(url);
socket.protocol = location.protocol.replace("http", "ws");
const fetcher = GraphiQL.createFetcher({ url: url.href, subscriptionUrl: socket.href });
const place = document.getElementById("graphiql");
const { name, query } = place.dataset;

// GraphiQL stores its tabs in the browser. Two apps at one address, one after the other, must not open each other's queries.
const storage = {
  key: (item) => `persisty:${name}:${item}`,
  getItem: (item) => localStorage.getItem(storage.key(item)),
  setItem: (item, value) => localStorage.setItem(storage.key(item), value),
  removeItem: (item) => localStorage.removeItem(storage.key(item)),
  clear: () => localStorage.clear(),
  get length() { return localStorage.length; },
};

ReactDOM.createRoot(place).render(
  React.createElement(GraphiQL, { fetcher, defaultQuery: query, storage }),
);
