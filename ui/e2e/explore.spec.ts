// Finding a metric without knowing its name.
import { expect, expectAccessible, expectNoSidewaysScroll, test } from "./fixtures";

test("a metric is found by its help text, narrowed by a label, and opened as a sensible query", async ({ page }) => {
  await page.goto("explore");
  await page.getByRole("searchbox").fill("seconds cpus spent each mode");
  await page.locator('[data-family="node_cpu_seconds_total"]').click();
  const detail = page.locator('[data-detail="node_cpu_seconds_total"]');
  await expect(detail).toContainText("counter");
  await detail.getByRole("button", { name: "idle", exact: true }).click();
  await expect(page).toHaveURL(/mode%3D%22idle%22/);
  await expect(detail.locator(".ask-expr")).toHaveText('rate(node_cpu_seconds_total{mode="idle"}[5m])');
  await expectAccessible(page);
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSidewaysScroll(page);
  await detail.getByRole("link", { name: "Open in Query" }).click();
  await expect(page.locator('[data-chart="query"]')).toHaveAttribute("data-last", /\d/);
});
