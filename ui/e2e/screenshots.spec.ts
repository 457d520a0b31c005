// Pictures of every page for people to look at, into WF_SCREENSHOTS.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "./fixtures";
import { HostPage } from "./pages";

const folder = process.env["WF_SCREENSHOTS"];
const LOOKS = [
  { name: "light-en", colorScheme: "light", locale: "en-US", width: 1440, height: 1080 },
  { name: "dark-ko", colorScheme: "dark", locale: "ko-KR", width: 1440, height: 1080 },
  { name: "dark-en", colorScheme: "dark", locale: "en-US", width: 2560, height: 1300 },
  { name: "light-ko", colorScheme: "light", locale: "ko-KR", width: 390, height: 844 },
] as const;

for (const { name, colorScheme, locale, width, height } of LOOKS) {
  test.describe(name, () => {
    test.skip(folder === undefined || folder === "", "SKIPPED: screenshots: WF_SCREENSHOTS names no folder");
    test.use({ colorScheme, locale, viewport: { width, height } });

    test(`pictures of all pages, ${name}`, async ({ page }) => {
      const save = async (page_: string): Promise<void> => {
        mkdirSync(folder ?? "", { recursive: true });
        await page.mouse.move(0, 0);
        await page.screenshot({ path: join(folder ?? "", `${page_}-${name}.png`), animations: "disabled" });
      };
      const host = new HostPage(page);
      await host.open();
      await host.settled();
      await expect(page.locator(".skeleton")).toHaveCount(0);
      await save("host");
      await page.goto("query?g0.expr=sum+by+(mode)+(rate(node_cpu_seconds_total[1m]))&g0.tab=graph&g0.range_input=5m&g1.expr=node_filesystem_avail_bytes&g1.tab=table");
      await expect(page.locator('[data-chart="query"]')).toBeVisible();
      await expect(page.locator('[data-table="result"] tbody tr').first()).toBeVisible();
      await save("query");
      await page.goto("targets");
      await expect(page.locator(".pool").first()).toBeVisible();
      await save("targets");
    });
  });
}
