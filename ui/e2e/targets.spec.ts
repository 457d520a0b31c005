// What is scraped, and how it goes.
import { expect, expectAccessible, test } from "./fixtures";

test("targets show their pool, health and last scrape", async ({ page }) => {
  await page.goto("targets");
  await expect(page.getByRole("heading", { level: 1, name: "Targets" })).toBeVisible();
  await expect(page.locator(".pool").first()).toBeVisible();
  await expect(page.locator('[data-health="up"]').first()).toBeVisible();
  await expect(page.locator(".target-table tbody tr").first()).toContainText(/ago/);
  await expectAccessible(page);
});

test("a filter narrows, is part of the address, and can be cleared", async ({ page }) => {
  await page.goto("targets");
  await expect(page.locator(".pool").first()).toBeVisible();
  const all = await page.locator(".target-table tbody tr").count();
  await page.getByRole("searchbox").fill("no such target at all");
  await expect(page.getByText("No target matches the filter")).toBeVisible();
  await expect(page).toHaveURL(/q=no\+such/);
  await page.getByRole("button", { name: "Clear filter" }).click();
  await expect(page.locator(".target-table tbody tr")).toHaveCount(all);
});
