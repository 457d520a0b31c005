// Measures the UI of a running binary in the system's Chromium and prints a FIGURE line each; `npm run measure`.
//
// WATCHFIRE_BIN names the binary (default: the release build), WF_REFRESHES how many refreshes of the host page stand
// for the hour (default 720, one every five seconds). Large answers are made here, so that figures are about the browser.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "@playwright/test";

const here = fileURLToPath(new URL(".", import.meta.url));
const binary = process.env.WATCHFIRE_BIN ?? resolve(here, "../../target/release/watchfire");
const refreshes = Number(process.env.WF_REFRESHES ?? 720);
const figure = (name, value) => console.log(`FIGURE: ui: ${name}: ${value}`);
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
  const data = mkdtempSync(join(tmpdir(), "watchfire-measure-"));
  const [port, exporter] = [await freePort(), await freePort()];
  const child = spawn(binary, ["up", "--listen", `127.0.0.1:${port}`, "--data", data, "--exporter-listen", `127.0.0.1:${exporter}`], { stdio: "ignore" });
  const base = `http://127.0.0.1:${port}/`;
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const answer = await fetch(`${base}api/v1/query?query=${encodeURIComponent("rate(node_cpu_seconds_total[1m])")}`).then((reply) => reply.json()).catch(() => null);
    if (answer?.data?.result?.length > 0) return { base, stop: () => (child.kill(), rmSync(data, { recursive: true, force: true })) };
    await new Promise((done) => setTimeout(done, 250));
  }
  child.kill();
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
  figure("a key with 20,000 metric names, ms, median and worst", `${times[Math.floor(times.length / 2)]} ${times.at(-1)}`);
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
  figure("graph of 1,000,000 points in 1,000 series, ms, and its longest task", `${took} ${Math.round(await page.evaluate(() => window.longest))}`);
  await page.unroute(/api\/v1\/query_range/);
}

async function anHour(page, base) {
  await page.clock.install();
  await page.goto(`${base}?range=15m&refresh=5s`);
  await page.waitForFunction(() => document.querySelector('[data-chart="cpu"]') !== null);
  const before = await heapMb(page);
  for (let done = 0; done < refreshes; done += 1) {
    const answered = page.waitForResponse(/query_range/);
    await page.clock.runFor(5_000);
    await answered;
  }
  figure(`heap of the host page before and after ${refreshes} refreshes, MB`, `${before} ${await heapMb(page)}`);
}

const server = await start();
const browser = await chromium.launch({ executablePath: process.env.WF_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
try {
  for (const measure of [firstChart, thirtyCharts, typing, largeTable, manyPoints, anHour]) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, locale: "en-US" });
    await measure(await context.newPage(), server.base);
    await context.close();
  }
} finally {
  await browser.close();
  server.stop();
}
