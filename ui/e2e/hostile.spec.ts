// A target whose names, help texts and annotations try to be markup: they are text everywhere.
import { expect, test } from "./fixtures";
import { useSite } from "./sites";

useSite("WF_SERVER_URL");

test("label values, help texts and annotations are text, never markup", async ({ page }) => {
  const visit = async (path: string, sign: string): Promise<void> => {
    await page.goto(path);
    await expect(page.getByText(sign).first()).toBeVisible({ timeout: 40_000 });
    const harm = await page.evaluate(() => ({ ran: "pwned" in window, images: document.querySelectorAll("img[src='x']").length, scripts: [...document.scripts].filter((one) => one.src === "").length, links: document.querySelectorAll("a[href^='javascript:']").length }));
    expect(harm, path).toEqual({ ran: false, images: 0, scripts: 0, links: 0 });
  };
  await visit("query?g0.expr=evil_total&g0.tab=table", "<img src=x onerror=");
  await visit("query?g0.expr=evil_total&g0.tab=graph&g0.range_input=5m", "<img src=x onerror=");
  await visit("query?g0.expr=evil_total&g0.tab=explain", "<img src=x onerror=");
  await visit("explore?m=evil_total", "<img src=x onerror=");
  await visit("alerts?q=Evil", "Evil");
  await page.locator('[data-rule="Evil"] summary').first().click();
  await expect(page.locator('[data-rule="Evil"]')).toContainText("javascript:window.pwned=1");
  expect(await page.evaluate(() => ({ ran: "pwned" in window, links: document.querySelectorAll("a[href^='javascript:'], a[href^='data:']").length }))).toEqual({ ran: false, links: 0 });
});
