// Cuts GitHub's description of its API down to the operations that tunegate uses.
//
//   npm install --no-save @octokit/openapi@23.0.2        (385 MB; only here)
//   node tests/contract/describe.mjs node_modules/@octokit/openapi tests/contract
//
// What is taken away says nothing about what is valid: texts, whole examples, GitHub's own extensions. What is added is
// said below.
import fs from "node:fs";
import path from "node:path";

const [, , source, target] = process.argv;
if (!source || !target) {
  console.error("usage: node describe.mjs FOLDER-OF-@octokit/openapi FOLDER");
  process.exit(2);
}

const REPOSITORY = "/repos/{owner}/{repo}";
const OPERATIONS = [
  ["get", "/issues/{issue_number}/comments"],
  ["post", "/issues/{issue_number}/comments"],
  ["patch", "/issues/comments/{comment_id}"],
  ["delete", "/issues/comments/{comment_id}"],
  ["post", "/check-runs"],
  ["patch", "/check-runs/{check_run_id}"],
  ["get", "/contents/{path}"],
  ["get", "/commits/{ref}"],
  ["get", "/pulls"],
];

// The description names `application/json` only, while its text recommends the other one.
const RECOMMENDED = "application/vnd.github+json";

// Keys that validate nothing, where they are not names of properties.
const TEXTS = new Set(["description", "summary", "title", "examples", "externalDocs", "tags", "operationId"]);

function bare(node, namesProperties = false) {
  if (Array.isArray(node)) return node.map((item) => bare(item));
  if (node === null || typeof node !== "object") return node;
  const kept = Object.entries(node).filter(([key]) => namesProperties || !(TEXTS.has(key) || key.startsWith("x-")));
  return Object.fromEntries(
    kept.map(([key, value]) => {
      // The values of these are data, and the keys of `properties` are the API's own words.
      if (["enum", "default", "example", "required"].includes(key) && !namesProperties) return [key, value];
      return [key, bare(value, key === "properties" && !namesProperties)];
    }),
  );
}

function at(document, pointer) {
  const parts = pointer.replace(/^#\//, "").split("/").map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"));
  return { parts, value: parts.reduce((node, part) => node?.[part], document) };
}

// Every `$ref` below a node that the document does not hold yet is copied into it, and so on.
function complete(node, from, into) {
  if (Array.isArray(node)) return node.forEach((item) => complete(item, from, into));
  if (node === null || typeof node !== "object") return;
  for (const [key, value] of Object.entries(node)) {
    if (key !== "$ref" || typeof value !== "string") {
      complete(value, from, into);
      continue;
    }
    if (at(into, value).value !== undefined) continue;
    const { parts, value: found } = at(from, value);
    if (found === undefined) throw new Error(`${value} leads nowhere`);
    const last = parts.pop();
    const place = parts.reduce((folder, part) => (folder[part] ??= {}), into);
    place[last] = bare(found);
    complete(place[last], from, into);
  }
}

// A response must have a text, or it is none.
function recommend(responses) {
  for (const response of Object.values(responses ?? {})) {
    if (!response.$ref) response.description ??= "as GitHub says";
    const json = response.content?.["application/json"];
    if (json) response.content[RECOMMENDED] ??= json;
  }
}

function describe(name, prefix) {
  const whole = JSON.parse(fs.readFileSync(path.join(source, "generated", `${name}.json`), "utf8"));
  const small = { openapi: whole.openapi, info: whole.info, paths: {}, components: {} };
  const info = JSON.parse(fs.readFileSync(path.join(source, "package.json"), "utf8"));
  small.info["x-cut-from"] = `${name}.json of ${info.name} ${info.version}`;
  for (const [method, address] of OPERATIONS) {
    const item = whole.paths[REPOSITORY + address];
    if (!item?.[method]) throw new Error(`${name} has no ${method} ${address}`);
    const route = (small.paths[prefix + REPOSITORY + address] ??= {});
    if (item.parameters) route.parameters = bare(item.parameters);
    route[method] = bare(item[method]);
  }
  complete(small.paths, whole, small);
  for (const item of Object.values(small.paths)) {
    for (const operation of Object.values(item)) recommend(operation.responses);
  }
  recommend(small.components.responses);
  // A path of the repository has slashes, which no parameter of a description can hold.
  const contents = `${prefix}${REPOSITORY}/contents`;
  const nested = structuredClone(small.paths[`${contents}/{path}`]);
  nested.get.parameters.push({ name: "folder", in: "path", required: true, schema: { type: "string" } });
  small.paths[`${contents}/{folder}/{path}`] = nested;
  const file = path.join(target, `${name}.json`);
  fs.writeFileSync(file, JSON.stringify(small, null, 1) + "\n");
  console.log(file, fs.statSync(file).size, "bytes", Object.keys(small.components.schemas).length, "schemas");
}

fs.mkdirSync(target, { recursive: true });
const servers = fs.readdirSync(path.join(source, "generated")).map((file) => /^ghes-(\d+)\.(\d+)\.json$/.exec(file)).filter(Boolean);
servers.sort((a, b) => a[1] - b[1] || a[2] - b[2]);
describe("api.github.com", "");
// A server of one's own has its API below a path.
describe(servers.at(-1)[0].replace(/\.json$/, ""), "/api/v3");
