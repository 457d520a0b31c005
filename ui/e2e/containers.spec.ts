// Every container of every machine that is watched.
import { expect, expectAccessible, expectNoSidewaysScroll, test } from "./fixtures";
import { useSite } from "./sites";

test.describe("where containers run", () => {
  useSite("WF_SERVER_URL");

  test("containers show what they use of what they may, by pod, and one in detail", async ({ page }) => {
    await page.goto("containers");
    const rows = page.locator("tr[data-container]");
    await expect(rows).toHaveCount(4, { timeout: 20_000 });
    const db = page.locator('[data-container="orders-db"]');
    await expect(db).toContainText("of 512 MiB");
    await expect(db.getByRole("meter").first()).toHaveAttribute("aria-valuenow", "92");
    await expect(page.locator('[data-container="app"]')).toContainText("throttled 40%", { timeout: 20_000 });
    await expect(page.locator('[data-chart="containers-memory"]')).toHaveAttribute("data-last", /\d/);
    await expectAccessible(page);
    await page.getByRole("button", { name: "Memory" }).click();
    await expect(rows.first()).toHaveAttribute("data-container", "orders-db");
    await expect(page).toHaveURL(/sort=memory/);
    await page.getByRole("combobox", { name: /^Group by/ }).click();
    await page.getByRole("option", { name: "Pod" }).click();
    await expect(page.locator('[data-group="shop/web-6d5f-x2"]')).toContainText("2 containers");
    await page.getByRole("searchbox").fill("postgres");
    await expect(rows).toHaveCount(1);
    await expect(page).toHaveURL(/q=postgres/);
    await page.setViewportSize({ width: 360, height: 800 });
    await expectNoSidewaysScroll(page);
    await page.getByRole("link", { name: "orders-db" }).click();
    await expect(page.getByRole("heading", { level: 1, name: "orders-db" })).toBeVisible();
    await expect(page.locator('[data-chart="c-memory"]')).toHaveAttribute("data-last", /\d/);
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
    await page.getByRole("link", { name: "All containers" }).click();
    await expect(rows).toHaveCount(1);
  });
});

test("where no container runs, the page says what was looked for", async ({ page }) => {
  await page.goto("containers");
  // A developer's machine may run some.
  await expect(page.locator('[data-why="none"], tr[data-container]').first()).toBeVisible({ timeout: 20_000 });
  await expectAccessible(page);
});
