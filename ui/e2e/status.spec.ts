// What the server holds, how it is set, and how it came by its targets.
import { expect, expectAccessible, expectNoSidewaysScroll, test } from "./fixtures";
import { useSite } from "./sites";

useSite("WF_SERVER_URL");

test("a target's relabeling is shown step by step, and what was dropped is counted", async ({ page }) => {
  await page.goto("service-discovery");
  const gone = page.locator('[data-pool="gone"]');
  await expect(gone).toContainText("1 dropped");
  await gone.locator(".discovered > li").filter({ hasText: "dropped" }).getByRole("button", { name: "Relabeling steps" }).click();
  await expect(gone.locator(".relabel-step")).toContainText("Dropped here");
  await expectAccessible(page);
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSidewaysScroll(page);
});

test("the storage page names what is large, and suggests how to drop it", async ({ page }) => {
  await page.goto("tsdb-status");
  const metrics = page.locator('[data-top="seriesCountByMetricName"]');
  await expect(metrics.locator("li")).toHaveCount(10);
  await metrics.getByRole("button", { name: "Drop…" }).first().click();
  await expect(page.getByRole("region", { name: "Rule that drops these metrics" })).toContainText("action: drop");
  await expectAccessible(page);
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSidewaysScroll(page);
});

test("status, flags and configuration are there to read", async ({ page }) => {
  await page.goto("status");
  await expect(page.getByRole("heading", { name: "Runtime" })).toBeVisible();
  await expect(page.getByText(/^http:.*\/api\/v2\/alerts$/)).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("link", { name: "Flags" }).click();
  await page.getByRole("searchbox").fill("storage.tsdb.path");
  await expect(page.locator('[data-table="flags"] tr')).toHaveCount(1);
  await page.getByRole("link", { name: "Configuration" }).click();
  await expect(page.getByRole("region", { name: "Configuration" })).toContainText("job_name: hostile");
  await expectAccessible(page);
});
