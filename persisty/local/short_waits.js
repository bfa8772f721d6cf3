// Loaded into the CDK CLI with `--require`. The CLI looks at a stack every 5 seconds until it is deployed, and has no option for that. The emulator deploys a
// stack within a second, so here the CLI looks ten times a second.
const WAIT = 5000;
const SHORT = 100;
const wait = globalThis.setTimeout;
globalThis.setTimeout = Object.assign(
  (callback, delay, ...rest) => wait(callback, delay === WAIT ? SHORT : delay, ...rest),
  wait,
);
