// How a value stands to the policy's limits.
const rules = report.rules ?? [];
// The value that means no change.
const NEUTRAL_ONE = /_ratio$|^cosine$|^subspace_overlap$/;

const partOf = (metric) => (column("drift", metric) ? "drift" : own);

function rulesOf(metric, index) {
  return rules.filter((rule) => rule.metric === metric && rule.members.has(index));
}
for (const rule of rules) {
  rule.members = new Set(rule.layers.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, step) => from + step)));
}

const outside = (value, limit) =>
  limit && ((limit.min !== undefined && value < limit.min) || (limit.max !== undefined && value > limit.max));

// "fail", "warn" or "" for a value under one rule.
function levelOf(rule, value) {
  const seen = rule.absolute ? Math.abs(value) : value;
  if (outside(seen, rule.fail)) return "fail";
  return outside(seen, rule.warn) ? "warn" : "";
}

// Which share of the way to the nearer limit is used up: 0 at no change, 1 at the limit.
function used(rule, value) {
  const seen = rule.absolute ? Math.abs(value) : value;
  const limit = rule.warn ?? rule.fail;
  const { min, max } = limit;
  const centre = NEUTRAL_ONE.test(rule.metric) ? 1 : min !== undefined && max !== undefined ? (min + max) / 2 : 0;
  const shares = [];
  if (max !== undefined) shares.push(max > centre ? (seen - centre) / (max - centre) : seen > max ? 2 : 0);
  if (min !== undefined) shares.push(min < centre ? (centre - seen) / (centre - min) : seen < min ? 2 : 0);
  return Math.max(0, ...shares);
}

function limitText(limit) {
  if (!limit) return "";
  if (limit.min !== undefined && limit.max !== undefined) return `${plain(limit.min)} to ${plain(limit.max)}`;
  return limit.min !== undefined ? `at least ${plain(limit.min)}` : `at most ${plain(limit.max)}`;
}
