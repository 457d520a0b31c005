// Answers that a quiet test machine does not give by itself: several hosts, warnings, far too many series.
import { expect, expectAccessible, test } from "./fixtures";
import { HostPage, QueryPage } from "./pages";

const json = (data: unknown, extra: object = {}) => ({ status: 200, contentType: "application/json", body: JSON.stringify({ status: "success", data, ...extra }) });

test("with several hosts one is chosen, and the choice is part of the address", async ({ page }) => {
  await page.route(/\/api\/v1\/query\?query=node_uname_info$/, async (route) => {
    const answer = (await (await route.fetch()).json()) as { data: { result: { metric: Record<string, string>; value: unknown }[] } };
    const [first] = answer.data.result;
    if (first === undefined) throw new Error("no host is watched");
    const other = { ...first, metric: { ...first.metric, instance: "db-7:9100", nodename: "zz-db-7" } };
    await route.fulfill(json({ resultType: "vector", result: [first, other] }));
  });
  const host = new HostPage(page);
  await host.open();
  await page.getByRole("combobox", { name: /^Instance/ }).click();
  await page.getByRole("option", { name: /zz-db-7/ }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("zz-db-7");
  await expect(page).toHaveURL(/instance=db-7/);
  // That host has no samples: every chart says so instead of showing an empty frame.
  await expect(page.getByText("No data in this time range").first()).toBeVisible();
});

test("no host at all is explained, with the way on", async ({ page }) => {
  await page.route(/\/api\/v1\/query\?query=node_uname_info$/, (route) => route.fulfill(json({ resultType: "vector", result: [] })));
  await page.goto("");
  await expect(page.getByRole("heading", { name: "No host is being watched yet" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("link", { name: "Open targets" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Targets" })).toBeVisible();
});

test("twelve thousand series are a table that scrolls, and warnings are shown", async ({ page }) => {
  const result = Array.from({ length: 12_000 }, (_, index) => ({ metric: { __name__: "many", n: String(index) }, value: [1_700_000_000, String(index)] }));
  await page.route(/\/api\/v1\/query\?query=many/, (route) => route.fulfill(json({ resultType: "vector", result }, { warnings: ["results truncated due to limit"], infos: ["metric might not be a counter"] })));
  const query = new QueryPage(page);
  await query.open("query?g0.expr=many&g0.tab=table");
  await expect(page.getByRole("columnheader", { name: /12,000 series/ })).toBeVisible();
  // Only what is in sight exists.
  expect(await query.rows.count()).toBeLessThan(100);
  await expect(page.getByText("results truncated due to limit")).toBeVisible();
  await expect(page.getByText("metric might not be a counter")).toBeVisible();
  await page.getByRole("button", { name: /^Value/ }).click();
  await expect(query.rows.first()).toContainText("11999");
});

test("three thousand targets of one pool scroll, and a refresh leaves them where they are", async ({ page }) => {
  const target = (index: number) => ({
    scrapePool: "many", scrapeUrl: `http://host-${index}:9100/metrics`, labels: { instance: `host-${index}:9100`, job: "many" }, discoveredLabels: {}, lastError: index === 7 ? "connection refused" : "",
    lastScrape: new Date().toISOString(), lastScrapeDuration: 0.01, health: index === 7 ? "down" : "up", scrapeInterval: "15s", scrapeTimeout: "10s",
  });
  await page.route(/\/api\/v1\/targets/, (route) => route.fulfill(json({ activeTargets: Array.from({ length: 3_000 }, (_, index) => target(index)), droppedTargetCounts: {} })));
  await page.goto("targets?refresh=1s");
  const pool = page.locator('[data-pool="many"]');
  await expect(pool).toContainText("2999 / 3000");
  await expect(pool.locator("tbody tr:not(.spacer)").first()).toContainText("connection refused");
  expect(await pool.locator("tbody tr").count()).toBeLessThan(100);
  await pool.locator(".is-virtual").evaluate((box) => box.scrollTo({ top: 34 * 1_500 }));
  await expect(pool).toContainText("host-1500:9100");
  await page.waitForResponse(/\/api\/v1\/targets/);
  await page.waitForResponse(/\/api\/v1\/targets/);
  await expect(pool).toContainText("host-1500:9100");
  await expectAccessible(page);
  await page.getByRole("searchbox").fill("host-2999");
  await expect(pool.locator("tbody tr")).toHaveCount(1);
});

test("what could not be refreshed stays, marked as old", async ({ page, complaints }) => {
  complaints.allow(/503/);
  const host = new HostPage(page);
  await host.open("?range=5m&refresh=2s");
  await host.settled();
  await page.route("**/api/v1/query_range**", (route) => route.fulfill({ status: 503, contentType: "application/json", body: JSON.stringify({ status: "error", errorType: "timeout", error: "query timed out" }) }));
  await expect(page.getByText("Old data").first()).toBeVisible();
  await expect(host.chart("cpu")).toBeVisible();
});

test("a browser whose clock is off still sees the newest samples", async ({ page }) => {
  await page.clock.install({ time: Date.now() + 3 * 3_600_000 });
  const host = new HostPage(page);
  await host.open("?range=5m&refresh=2s");
  await expect.poll(async () => (await page.clock.runFor(2_000), host.newest("memory")), { timeout: 20_000 }).toBeGreaterThan(Date.now() / 1000 - 120);
});

test("an answer that cannot be read is a message, not a blank page", async ({ page }) => {
  await page.route(/\/api\/v1\/query\?query=odd/, (route) => route.fulfill({ status: 200, contentType: "text/html", body: "<html>a proxy's login page</html>" }));
  const query = new QueryPage(page);
  await query.open("query?g0.expr=odd&g0.tab=table");
  await expect(page.getByRole("alert")).toContainText("The answer could not be read");
  await expect(page.getByRole("button", { name: "Try again" })).toBeVisible();
});

test("what the server wants people to know appears by itself, and goes", async ({ page }) => {
  const say = (active: boolean): string => `data: ${JSON.stringify({ text: "Configuration reload has failed.", date: "2026-11-21T10:00:00.000Z", active })}\n\n`;
  let answers = 0;
  await page.route("**/api/v1/notifications/live", (route) => {
    answers += 1;
    // The browser calls again when the answer ends; then the trouble is over.
    return route.fulfill({ status: 200, contentType: "text/event-stream", body: `retry: 3000\n\n${answers === 1 ? say(true) : ""}` });
  });
  await page.goto("targets");
  const icon = page.locator("[data-notifications]");
  await expect(icon).toHaveAttribute("data-notifications", "1");
  await icon.click();
  await expect(page.getByText("The configuration could not be reloaded")).toBeVisible();
  await expectAccessible(page);
  await expect(icon).toHaveAttribute("data-notifications", "0");
});
