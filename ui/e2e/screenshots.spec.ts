// Pictures of every page for people to look at, into WF_SCREENSHOTS.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, type Locator, type Page } from "@playwright/test";
import { test } from "./fixtures";
import { HostPage } from "./pages";

const folder = process.env["WF_SCREENSHOTS"] ?? "";
const server = (process.env["WF_SERVER_URL"] ?? "").replace(/\/$/, "");
const alertmanager = (process.env["WF_ALERTMANAGER_URL"] ?? "").replace(/\/$/, "");
const LOOKS = [
  { name: "light-en", colorScheme: "light", locale: "en-US", width: 1440, height: 1080, all: true },
  { name: "dark-ko", colorScheme: "dark", locale: "ko-KR", width: 1440, height: 1080, all: true },
  { name: "dark-en", colorScheme: "dark", locale: "en-US", width: 2560, height: 1300, all: false },
  { name: "light-ko", colorScheme: "light", locale: "ko-KR", width: 390, height: 844, all: false },
] as const;

interface Picture {
  readonly name: string;
  readonly address: string;
  /** What has to be there before the picture is taken. */
  readonly ready: (page: Page) => Locator;
}

const ON_SERVER: readonly Picture[] = [
  { name: "containers", address: "containers?range=5m&by=pod", ready: (page) => page.locator("tr[data-container]").first() },
  { name: "explain", address: "query?g0.expr=sum+by+(le)+(rate(req_seconds_bucket[1m]))+/+on()+group_left()+count(up)&g0.tab=explain", ready: (page) => page.locator(".node-detail h4") },
  { name: "heatmap", address: "query?g0.expr=sum+by+(le)+(rate(req_seconds_bucket[30s]))&g0.tab=graph&g0.display_mode=heatmap&g0.range_input=5m", ready: (page) => page.locator('[data-chart="heatmap"]') },
  { name: "explore", address: "explore?m=req_seconds", ready: (page) => page.locator('[data-chart="explore"]') },
  { name: "alerts", address: "alerts", ready: (page) => page.locator('[data-rule="TargetDown"]') },
  { name: "rules", address: "rules", ready: (page) => page.locator('[data-group="hosts"]') },
  { name: "targets", address: "targets", ready: (page) => page.locator('[data-pool="gone"]') },
  { name: "service-discovery", address: "service-discovery", ready: (page) => page.locator('[data-pool="gone"]') },
  { name: "tsdb-status", address: "tsdb-status", ready: (page) => page.locator("[data-top] li").first() },
  { name: "status", address: "status", ready: (page) => page.locator(".fact-list").first() },
  { name: "config", address: "config", ready: (page) => page.locator(".yaml") },
];
const ON_ALERTMANAGER: readonly Picture[] = [
  { name: "am-alerts", address: "", ready: (page) => page.locator("[data-fingerprint]").first() },
  { name: "am-why", address: 'why?filter={alertname="TargetDown"}', ready: (page) => page.locator(".why-event").first() },
  { name: "am-receivers", address: "receivers", ready: (page) => page.locator('[data-receiver="pager"]') },
  { name: "am-silences", address: "silences?state=expired", ready: (page) => page.locator(".segmented") },
  { name: "am-silence-form", address: 'silence-form?filter={alertname="TargetDown"}', ready: (page) => page.locator("[data-affected]") },
  { name: "am-status", address: "status", ready: (page) => page.locator(".yaml") },
];

async function save(page: Page, name: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await page.mouse.move(0, 0);
  await expect(page.locator(".skeleton")).toHaveCount(0);
  await page.screenshot({ path: join(folder, `${name}.png`), animations: "disabled" });
}

for (const { name, colorScheme, locale, width, height, all } of LOOKS) {
  test.describe(name, () => {
    test.skip(folder === "", "SKIPPED: screenshots: WF_SCREENSHOTS names no folder");
    test.use({ colorScheme, locale, viewport: { width, height } });

    test(`pictures of the first pages, ${name}`, async ({ page }) => {
      const host = new HostPage(page);
      await host.open();
      await host.settled();
      await save(page, `host-${name}`);
      await page.goto("query?g0.expr=sum+by+(mode)+(rate(node_cpu_seconds_total[1m]))&g0.tab=graph&g0.range_input=5m&g1.expr=node_filesystem_avail_bytes&g1.tab=table");
      await expect(page.locator('[data-chart="query"]')).toBeVisible();
      await expect(page.locator('[data-table="result"] tbody tr').first()).toBeVisible();
      await save(page, `query-${name}`);
      if (all) return;
      await page.goto("targets");
      await expect(page.locator(".pool").first()).toBeVisible();
      await save(page, `targets-${name}`);
    });

    test(`pictures of all other pages, ${name}`, async ({ page }) => {
      test.setTimeout(300_000);
      test.skip(!all || server === "" || alertmanager === "", "only in two looks, and where a server and an Alertmanager run");
      for (const [base, pictures] of [[server, ON_SERVER], [alertmanager, ON_ALERTMANAGER]] as const) {
        for (const picture of pictures) {
          await page.goto(`${base}/${picture.address}`);
          await expect(picture.ready(page)).toBeVisible({ timeout: 40_000 });
          await save(page, `${picture.name}-${name}`);
        }
      }
    });
  });
}
