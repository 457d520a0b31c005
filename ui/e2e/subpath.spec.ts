// Behind nginx under a sub-path: the prefix taken away, or kept.
import { expect, test } from "./fixtures";

// The programs that `browser.rs` puts behind nginx: `WF_NGINX` is its root.
const root = process.env["WF_NGINX"] ?? "";
test.skip(root === "", "SKIPPED: nginx: WF_NGINX names no proxy");

for (const prefix of ["stripped", "kept"] as const) {
  test(`the UI works behind nginx with the prefix ${prefix}`, async ({ page }) => {
    await page.goto(`${root}/${prefix}/query?g0.expr=up&g0.tab=table`);
    await expect(page.locator('[data-table="result"] tbody tr').first()).toContainText("up{");
    await page.getByRole("link", { name: "Alerts" }).click();
    await expect(page).toHaveURL(`${root}/${prefix}/alerts`);
    await expect(page.locator('[data-rule="TargetDown"]').first()).toBeVisible();
    await page.reload();
    await expect(page.locator('[data-rule="TargetDown"]').first()).toBeVisible();
  });
}
