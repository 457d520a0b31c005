// The frame: settings, keyboard, sizes, sub-paths, and a server that goes away.
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, expectNoSidewaysScroll, test } from "./fixtures";
import { HostPage } from "./pages";

test("theme and language are chosen and remembered", async ({ page }) => {
  const host = new HostPage(page);
  await host.open();
  await page.getByRole("combobox", { name: /^Theme/ }).click();
  await page.getByRole("option", { name: "Dark" }).click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.getByRole("combobox", { name: /^Language/ }).click();
  await page.getByRole("option", { name: "한국어" }).click();
  await expect(page.locator("html")).toHaveAttribute("lang", "ko");
  await expect(page.getByRole("link", { name: "쿼리" })).toBeVisible();
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await expect(page.getByRole("heading", { name: "모드별 CPU" })).toBeVisible();
});

test("the keyboard skips to the content and walks the pages", async ({ page }) => {
  const host = new HostPage(page);
  await host.open();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator("main")).toBeFocused();
  await page.getByRole("link", { name: "Targets" }).focus();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/targets$/);
  await expect(page.getByRole("link", { name: "Targets" })).toHaveAttribute("aria-current", "page");
  await page.goBack();
  await expect(host.chart("cpu")).toBeVisible();
});

test("an unknown address says so and leads home", async ({ page, complaints }) => {
  complaints.allow(/404/);
  const host = new HostPage(page);
  await host.open();
  await page.evaluate(() => window.history.pushState(null, "", "nowhere"));
  await page.evaluate(() => window.dispatchEvent(new PopStateEvent("popstate")));
  await expect(page.getByRole("heading", { name: "No such page" })).toBeVisible();
  await page.getByRole("link", { name: "Go to the host page" }).click();
  await expect(host.chart("cpu")).toBeVisible();
});

for (const width of [360, 768, 1280, 2560]) {
  test(`every page fits ${width} px`, async ({ page }) => {
    await page.setViewportSize({ width, height: 900 });
    const host = new HostPage(page);
    await host.open();
    await expectNoSidewaysScroll(page);
    await page.goto("query?g0.expr=up&g0.tab=graph");
    await expect(page.locator('[data-chart="query"]')).toBeVisible();
    await expectNoSidewaysScroll(page);
    await page.goto("targets");
    await expect(page.locator(".pool").first()).toBeVisible();
    await expectNoSidewaysScroll(page);
  });
}

test("a server that goes away is announced, and its return noticed", async ({ page, complaints }) => {
  complaints.allow(/ERR_CONNECTION_REFUSED|Failed to load resource/);
  const host = new HostPage(page);
  await host.open("?range=5m&refresh=2s");
  await host.settled();
  await page.route("**/api/v1/**", (route) => route.abort("connectionrefused"));
  const banner = page.getByRole("alert").filter({ hasText: "The server does not answer." });
  await expect(banner).toBeVisible();
  // What was known stays on screen.
  await expect(host.chart("cpu")).toBeVisible();
  await page.unroute("**/api/v1/**");
  await expect(banner).toHaveCount(0);
});

test("the UI works under a sub-path that nobody told it about", async ({ page, baseURL }) => {
  const upstream = new URL(baseURL ?? "");
  const proxy = createServer((incoming, outgoing) => {
    if (incoming.url?.startsWith("/some/where/") !== true) {
      outgoing.writeHead(404).end();
      return;
    }
    const forward = httpRequest(new URL(incoming.url.slice("/some/where".length), upstream), { method: incoming.method, headers: { ...incoming.headers, host: upstream.host } }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    forward.on("error", () => outgoing.writeHead(502).end());
    incoming.pipe(forward);
  });
  await new Promise<void>((ready) => proxy.listen(0, "127.0.0.1", ready));
  try {
    const { port } = proxy.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/some/where/query?g0.expr=up&g0.tab=table`);
    await expect(page.locator('[data-table="result"] tbody tr').first()).toContainText("up{");
    await page.getByRole("link", { name: "Host" }).click();
    await expect(page).toHaveURL(`http://127.0.0.1:${port}/some/where/`);
    await expect(page.locator('[data-chart="cpu"]')).toBeVisible();
  } finally {
    await page.goto("about:blank");
    proxy.closeAllConnections();
    proxy.close();
  }
});
