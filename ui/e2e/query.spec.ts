// Asking questions: editor, completion, table, graph, errors, links.
import { expect, expectAccessible, test } from "./fixtures";
import { QueryPage } from "./pages";

test("completion offers metrics of this server, and Enter runs", async ({ page }) => {
  const query = new QueryPage(page);
  await query.open();
  await query.editor.click();
  await page.keyboard.type("node_load", { delay: 40 });
  await expect(page.getByRole("option", { name: /node_load15/ })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.type("1");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await expect(query.rows).toHaveCount(1);
  await expect(query.rows.first()).toContainText("node_load1{");
  await expect(page).toHaveURL(/g0\.expr=node_load1/);
});

test("keys that come faster than the page draws are all there", async ({ page }) => {
  const query = new QueryPage(page);
  await query.open();
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  await query.editor.click();
  const text = "a_name_that_no_server_has";
  await page.keyboard.type(text);
  await expect(query.editor).toHaveText(text);
  await session.send("Emulation.setCPUThrottlingRate", { rate: 1 });
});

test("table and graph show the same query, and the address is a link to it", async ({ page }) => {
  const query = new QueryPage(page);
  await query.open();
  await query.run("up");
  await expect(query.rows.first()).toContainText("up{");
  await page.getByRole("tab", { name: "Graph" }).click();
  await expect(page.locator('[data-chart="query"]')).toHaveAttribute("data-last", /\d/);
  await page.getByRole("button", { name: "Shorter range" }).click();
  await page.getByRole("button", { name: "Stacked" }).click();
  await expect(page).toHaveURL(/g0\.tab=graph&g0\.range_input=30m&g0\.display_mode=stacked/);
  await page.reload();
  await expect(query.editor).toHaveText("up");
  await expect(page.locator('[data-chart="query"]')).toHaveAttribute("data-last", /\d/);
  await expect(page.getByRole("button", { name: "Stacked" })).toHaveAttribute("aria-pressed", "true");
});

test("links made for Prometheus open", async ({ page }) => {
  const query = new QueryPage(page);
  await query.open("graph?g0.expr=up&g0.tab=1&g1.expr=node_load1&g1.tab=0&g1.range_input=15m");
  await expect(query.rows.first()).toContainText("up{");
  await expect(page.locator('[data-chart="query"]')).toHaveCount(1);
});

test("a mistake is shown with its place, and mended", async ({ page, complaints }) => {
  complaints.allow(/400/);
  const query = new QueryPage(page);
  await query.open();
  await query.run("sum(up) by by");
  await expect(page.getByRole("alert")).toContainText("The server refused the query");
  await expect(page.locator(".error-place")).toContainText(/Line 1, column \d+/);
  await query.run("sum(up)");
  await expect(page.getByRole("alert")).toHaveCount(0);
  await expect(query.rows).toHaveCount(1);
});

test("an empty result says so, and examples help to begin", async ({ page }) => {
  const query = new QueryPage(page);
  await query.open();
  await page.getByRole("button", { name: /Share of memory available/ }).click();
  await expect(query.rows.first()).toBeVisible();
  await query.run("no_such_metric_here");
  await expect(page.getByText("The query has no result at this time")).toBeVisible();
});

test("queries are added and removed", async ({ page }) => {
  const query = new QueryPage(page);
  await query.open("query?g0.expr=up&g0.tab=table");
  await page.getByRole("button", { name: "Add query" }).click();
  await expect(page.getByRole("button", { name: "Run" })).toHaveCount(2);
  await page.getByRole("button", { name: "Remove query" }).last().click();
  await expect(page.getByRole("button", { name: "Run" })).toHaveCount(1);
});

test("the query page is accessible", async ({ page }) => {
  const query = new QueryPage(page);
  await query.open("query?g0.expr=up&g0.tab=table&g1.expr=up&g1.tab=graph");
  await expect(query.rows.first()).toBeVisible();
  await expect(page.locator('[data-chart="query"]')).toBeVisible();
  await expectAccessible(page);
});

test("a query is formatted, doubted with a mend, explained, and taken away as a file", async ({ page }) => {
  const query = new QueryPage(page);
  await query.open();
  await query.run("quantile(95,rate(node_cpu_seconds_total[5m]))by(mode)");
  const finding = page.locator('[data-finding="quantile-range"]');
  await finding.getByRole("button", { name: "Apply" }).click();
  await expect(query.editor).toContainText("quantile(0.95,");
  await page.getByRole("button", { name: "Format query" }).click();
  await expect(query.editor).toContainText("quantile by (mode) (");
  await page.getByRole("tab", { name: "Explain" }).click();
  await page.locator('[data-table="plan"]').getByRole("button", { name: /^range selector/ }).click();
  await expect(page.locator(".node-detail")).toContainText("Reads all samples in a window of time.");
  await expect(page.locator(".label-counts")).toContainText("cpu");
  await expectAccessible(page);
  await page.getByRole("tab", { name: "Table" }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "CSV" }).click();
  expect((await download).suggestedFilename()).toBe("watchfire.csv");
});

test("what was run comes back as a completion, and instants are shown in UTC when chosen", async ({ page }) => {
  const query = new QueryPage(page);
  await query.open();
  await query.run("node_load5 > 0");
  await expect(query.rows).toHaveCount(1);
  await page.getByRole("button", { name: "Duplicate query" }).click();
  await expect(query.rows).toHaveCount(2);
  await page.goto("query");
  await query.editor.click();
  await page.keyboard.press("Control+Space");
  await expect(page.getByRole("option", { name: /node_load5 > 0/ })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.getByRole("combobox", { name: /^Time zone/ }).click();
  await page.getByRole("option", { name: "UTC" }).click();
  await page.getByRole("button", { name: "Evaluation time: Now" }).click();
  await expect(page.getByLabel("Evaluation time")).toHaveValue(new RegExp(`^${new Date().toISOString().slice(0, 13)}`));
});
