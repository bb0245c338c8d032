// What `npm run engines` found, as a table: writes it between <!-- engines --> and <!-- /engines --> of README.md.
// The tests leave one file per engine in build/engines (test/engines/features.ts).
import { readFileSync, writeFileSync } from "node:fs";

const engines = ["containerd", "cri", "docker", "podman", "podman-rootless"];
const marks = { works: "yes", fails: "**no**", absent: "–" };
const begin = "<!-- engines -->";
const end = "<!-- /engines -->";

const columns = engines.flatMap((name) => {
  try {
    return [JSON.parse(readFileSync(`build/engines/${name}-tsrunc.json`, "utf8"))];
  } catch {
    console.error(`engines-readme: no results for ${name}; run "npm run engines" first`);
    return [];
  }
});
if (columns.length < engines.length) process.exit(1);

const rows = Object.entries(columns[0].features).map(([feature, title]) => [
  title,
  ...columns.map(({ outcomes }) => marks[outcomes[feature]] ?? ""),
]);
const head = ["", ...columns.map(({ version }) => version)];
const table = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const readme = readFileSync("README.md", "utf8");
const [before, rest] = readme.split(begin);
const after = rest?.split(end)[1];
if (after === undefined) {
  console.error(`engines-readme: README.md has no ${begin} ... ${end}`);
  process.exit(1);
}
const text = `${begin}\n\n${table}\n\nFrom the results of \`npm run engines\` with the static binary; "–": the engine has no such thing; empty: not asked of it.\n\n${end}`;
writeFileSync("README.md", before + text + after);
console.log(table);
