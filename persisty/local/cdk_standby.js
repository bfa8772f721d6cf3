// Loaded into the CDK CLI with `--require`, before its own script. It loads the CLI's library, which takes most of the CLI's start, and waits for the arguments on
// standard input, as a JSON list. It ends without them.
const fs = require("fs");
const path = require("path");
process.setSourceMapsEnabled(true);
require(path.join(path.dirname(fs.realpathSync(process.argv[1])), "..", "lib"));
const given = fs.readFileSync(0, "utf8");
if (!given) {
  process.exit(0);
}
process.argv.push(...JSON.parse(given));
