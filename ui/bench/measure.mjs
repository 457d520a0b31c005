// Measures the UI of a running binary in the system's Chromium and prints a FIGURE line each; `npm run measure`.
// `-- --record docs/benchmarks.md` also writes them into that page's section.
//
// WATCHFIRE_BIN names the binary (default: the release build), WF_URL a server that runs already; WF_REFRESHES how many
// refreshes of the host page stand for the hour (default 720, one every five seconds). The page's clock is driven, so
// that an hour takes minutes: the refreshes are as many, and every one waits for its answers. Large answers are made
// here, so that figures are about the browser.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "@playwright/test";

const here = fileURLToPath(new URL(".", import.meta.url));
const binary = process.env.WATCHFIRE_BIN ?? resolve(here, "../../target/release/watchfire");
const refreshes = Number(process.env.WF_REFRESHES ?? 720);
const figures = [];
const figure = (name, value) => {
  figures.push([name, value]);
  console.log(`FIGURE: ui: ${name}: ${value}`);
};
// A page that hangs must not hold whoever measures.
const MINUTES_MAX = 20;
const json = (data) => ({ status: 200, contentType: "application/json", body: JSON.stringify({ status: "success", data }) });

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

async function start() {
  if (process.env.WF_URL !== undefined) return { base: process.env.WF_URL.replace(/\/?$/, "/"), stop: async () => undefined };
  const data = mkdtempSync(join(tmpdir(), "watchfire-measure-"));
  const [port, exporter] = [await freePort(), await freePort()];
  const child = spawn(binary, ["up", "--listen", `127.0.0.1:${port}`, "--data", data, "--exporter-listen", `127.0.0.1:${exporter}`], { stdio: "ignore" });
  // However this script ends, the server does not outlive it.
  process.once("exit", () => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  // Until it has ended it writes into its folder.
  const stop = async () => {
    child.kill();
    const patience = setTimeout(() => child.kill("SIGKILL"), 30_000);
    await ended;
    clearTimeout(patience);
    rmSync(data, { recursive: true, force: true });
  };
  const base = `http://127.0.0.1:${port}/`;
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const answer = await fetch(`${base}api/v1/query?query=${encodeURIComponent("rate(node_cpu_seconds_total[1m])")}`).then((reply) => reply.json()).catch(() => null);
    if (answer?.data?.result?.length > 0) return { base, stop };
    await new Promise((done) => setTimeout(done, 250));
  }
  await stop();
  throw new Error(`${binary} gave no rates within a minute`);
}

async function timed(work) {
  const started = performance.now();
  await work();
  return Math.round(performance.now() - started);
}

async function heapMb(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return (usedSize / 1e6).toFixed(1);
}

async function firstChart(page, base) {
  const took = await timed(async () => {
    await page.goto(`${base}?range=5m`);
    await page.waitForFunction(() => document.querySelector('[data-chart="cpu"]')?.getAttribute("data-last") !== "");
  });
  figure("first chart, ms", took);
}

async function thirtyCharts(page, base) {
  const panels = Array.from({ length: 30 }, (_, index) => `g${index}.expr=node_load1%2B${index}&g${index}.tab=graph&g${index}.range_input=5m`);
  const took = await timed(async () => {
    await page.goto(`${base}query?${panels.join("&")}`);
    await page.waitForFunction(() => [...document.querySelectorAll('[data-chart="query"]')].filter((chart) => chart.getAttribute("data-last") !== "").length === 30);
    // Interactive: a click is answered.
    await page.getByRole("button", { name: "Stacked" }).first().click();
    await page.waitForFunction(() => location.search.includes("display_mode=stacked"));
  });
  figure("30 charts drawn and a click answered, ms", took);
}

async function typing(page, base) {
  const names = Array.from({ length: 20_000 }, (_, index) => `service_${index % 97}_metric_${index}_total`);
  await page.route(/label\/__name__\/values/, (route) => route.fulfill(json(names)));
  await page.goto(`${base}query`);
  const editor = page.getByRole("textbox", { name: "PromQL expression" });
  await editor.click();
  await page.keyboard.type("ser", { delay: 60 });
  await page.getByRole("option").first().waitFor();
  const times = [];
  for (const key of "vice_42_metric") {
    times.push(
      await timed(async () => {
        await page.keyboard.press(key);
        // Two frames: one to change the list, one to show it.
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      }),
    );
  }
  times.sort((a, b) => a - b);
  figure("a key with 20,000 metric names, ms, median and worst", `${times[Math.floor(times.length / 2)]}, ${times.at(-1)}`);
  await page.unroute(/label\/__name__\/values/);
}

async function largeTable(page, base) {
  const result = Array.from({ length: 10_000 }, (_, index) => ({ metric: { __name__: "many", instance: `host-${index}:9100`, job: "node", n: String(index) }, value: [1_700_000_000, String(index)] }));
  await page.route(/api\/v1\/query\?query=many/, (route) => route.fulfill(json({ resultType: "vector", result })));
  const took = await timed(async () => {
    await page.goto(`${base}query?g0.expr=many&g0.tab=table`);
    await page.getByRole("columnheader", { name: /10,000/ }).waitFor();
  });
  figure("table of 10,000 series, ms with loading the page", took);
  const scrolled = await page.evaluate(async () => {
    const box = document.querySelector(".is-virtual");
    const frames = [];
    for (let step = 1; step <= 60; step += 1) {
      const started = performance.now();
      box.scrollTop = (box.scrollHeight / 60) * step;
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      frames.push((performance.now() - started) / 2);
    }
    return Math.max(...frames);
  });
  figure("longest frame while that table scrolls, ms", scrolled.toFixed(1));
}

async function manyPoints(page, base) {
  const start = 1_700_000_000;
  const values = (seed) => Array.from({ length: 1_000 }, (_, index) => [start + index * 10, String(Math.sin(index / 50 + seed))]);
  const result = Array.from({ length: 1_000 }, (_, index) => ({ metric: { __name__: "wide", n: String(index) }, values: values(index) }));
  const body = JSON.stringify({ status: "success", data: { resultType: "matrix", result } });
  await page.route(/api\/v1\/query_range/, (route) => route.fulfill({ status: 200, contentType: "application/json", body }));
  await page.goto(`${base}query`);
  await page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.longest = Math.max(window.longest, entry.duration)))).observe({ type: "longtask" });
  });
  await page.getByRole("textbox", { name: "PromQL expression" }).click();
  await page.keyboard.insertText("wide");
  await page.keyboard.press("ControlOrMeta+Enter");
  const took = await timed(async () => {
    await page.getByRole("tab", { name: "Graph" }).click();
    await page.locator('[data-chart="query"]').waitFor();
  });
  figure("graph of 1,000,000 points in 1,000 series, ms, and its longest task", `${took}, ${Math.round(await page.evaluate(() => window.longest))}`);
  await page.unroute(/api\/v1\/query_range/);
}

/** Drives the page's clock through refreshes; each ends with its last answer. */
async function refresh(page, count) {
  const answers = /api\/v1\/(?:query|query_range|targets)\b/;
  let waiting = 0;
  const began = (request) => (waiting += answers.test(request.url()) ? 1 : 0);
  const ended = (request) => (waiting -= answers.test(request.url()) ? 1 : 0);
  page.on("request", began).on("requestfinished", ended).on("requestfailed", ended);
  for (let done = 0; done < count; done += 1) {
    const first = page.waitForResponse(answers);
    await page.clock.runFor(5_000);
    await first;
    while (waiting > 0) await new Promise((soon) => setTimeout(soon, 5));
  }
  page.off("request", began).off("requestfinished", ended).off("requestfailed", ended);
}

async function anHour(page, base) {
  await page.clock.install();
  await page.goto(`${base}?range=15m&refresh=5s`);
  await page.waitForFunction(() => document.querySelector('[data-chart="cpu"]') !== null);
  const warm = Math.min(20, refreshes);
  await refresh(page, warm);
  const before = await heapMb(page);
  await refresh(page, refreshes - warm);
  figure(`heap of the host page after ${warm} and after ${refreshes} refreshes, MB`, `${before}, ${await heapMb(page)}`);
}

/** Puts the figures into the section `### ui` of a page, or adds it. */
function record(path, version) {
  const file = resolve(process.env.INIT_CWD ?? ".", path);
  const rows = figures.map(([name, value]) => `| ${name} | ${value} |`).join("\n");
  const section = `### ui

The UI of the release build in Chromium ${version} without a graphics card, on ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}); one run of
\`npm --prefix ui run measure\`. Answers of 10,000 series, a million points and 20,000 names are made by the script, so the figures are the browser's. The hour
is ${refreshes} refreshes five seconds apart by a driven clock, each waiting for its answers; heap after a collection.

| Figure | |
|---|---|
${rows}
`;
  const page = readFileSync(file, "utf8");
  const at = page.indexOf("\n### ui\n");
  if (at < 0) return writeFileSync(file, `${page.trimEnd()}\n\n${section}`);
  const next = page.slice(at + 1).search(/\n##+ /);
  return writeFileSync(file, page.slice(0, at + 1) + section + (next < 0 ? "" : page.slice(at + 1 + next)));
}

const server = await start();
const browser = await chromium.launch({ executablePath: process.env.WF_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const watchdog = setTimeout(() => {
  console.error(`not measured within ${MINUTES_MAX} minutes: some page hangs`);
  server.stop().finally(() => process.exit(1));
}, MINUTES_MAX * 60_000);
try {
  for (const measure of [firstChart, thirtyCharts, typing, largeTable, manyPoints, anHour]) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, locale: "en-US" });
    // A slow machine is measured too: slow is a figure, not a failure.
    context.setDefaultTimeout(5 * 60_000);
    await measure(await context.newPage(), server.base);
    await context.close();
  }
  const page = process.argv.indexOf("--record");
  if (page >= 0) record(process.argv[page + 1] ?? "docs/benchmarks.md", browser.version());
} finally {
  clearTimeout(watchdog);
  await browser.close();
  await server.stop();
}
