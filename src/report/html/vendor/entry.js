// What the report uses of Observable Plot; the bundler leaves the rest out.
export { plot, line, areaY, dot, cell, link, ruleX, ruleY, tickX, text, tip, pointer } from "@observablehq/plot";
