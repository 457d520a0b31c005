// What is wrong, what is watched, and what the rules cost.
import { expect, expectAccessible, expectNoSidewaysScroll, test } from "./fixtures";
import { useSite } from "./sites";

useSite("WF_SERVER_URL");

test("a firing alert is found, with its graph, its texts, and what it would have done", async ({ page }) => {
  await page.goto("alerts");
  await expect(page.locator('[data-rule="TargetDown"] [data-state="firing"]').first()).toBeVisible({ timeout: 40_000 });
  await page.getByRole("button", { name: /^Firing/ }).click();
  await expect(page).toHaveURL(/state=firing/);
  const rule = page.locator('[data-rule="TargetDown"]');
  await rule.locator("summary").first().click();
  await expect(page.locator('[data-chart="alert-TargetDown"]')).toHaveAttribute("data-last", /\d/);
  await expect(rule).toContainText("is down");
  await expect(rule.getByRole("link", { name: "https://runbooks.example/TargetDown" })).toBeVisible();
  await rule.getByRole("button", { name: "Last 1 d" }).click();
  await expect(rule.locator(".backtest")).toContainText(/\d+ times?/);
  await expectAccessible(page);
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSidewaysScroll(page);
  await rule.getByTitle("Open in Query").click();
  await expect(page).toHaveURL(/g0\.expr=up\+%3D%3D\+0/);
});

test("rules show health, cost and error, and a filter is part of the address", async ({ page }) => {
  await page.goto("rules");
  const broken = page.locator('[data-group="broken"]');
  await expect(broken).toContainText("many-to-many matching not allowed", { timeout: 20_000 });
  await expect(broken.locator(".facts")).toContainText(/took/);
  await expectAccessible(page);
  await page.getByRole("searchbox").fill("TargetDown");
  await expect(broken).toHaveCount(0);
  await expect(page).toHaveURL(/q=TargetDown/);
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSidewaysScroll(page);
});
