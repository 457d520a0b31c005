// The first page: this machine, moving, without a query typed.
import { expect, expectAccessible, test } from "./fixtures";
import { HostPage } from "./pages";

test("the server sends a strict policy with every page", async ({ request }) => {
  for (const path of ["", "query", "targets"]) {
    const response = await request.get(path);
    expect(response.status(), path).toBe(200);
    const policy = response.headers()["content-security-policy"] ?? "";
    expect(policy, path).toContain("default-src 'self'");
    expect(policy, path).not.toMatch(/unsafe-inline|unsafe-eval/);
  }
});

test("the host page names the machine and shows its state", async ({ page }) => {
  const host = new HostPage(page);
  await host.open();
  await host.settled();
  await expect(page.getByRole("heading", { level: 1 })).not.toHaveText("Host");
  await expect(page.locator(".facts")).toContainText("Linux");
  for (const id of ["cpu", "memory", "space", "load"]) {
    await expect(host.tile(id)).toHaveAttribute("data-value", /\d/);
  }
  for (const id of ["cpu", "load", "memory", "processes", "switches"]) {
    expect(await host.newest(id), id).toBeGreaterThan(0);
  }
  await expect(page.locator('[data-table="filesystems"] tbody tr').first()).toBeVisible();
});

test("the charts move by themselves", async ({ page }) => {
  const host = new HostPage(page);
  await host.open("?range=5m&refresh=2s");
  await host.settled();
  const before = await host.newest("cpu");
  await expect.poll(() => host.newest("cpu"), { timeout: 30_000 }).toBeGreaterThan(before);
});

test("hovering one chart shows the values of that moment in all", async ({ page }) => {
  const host = new HostPage(page);
  await host.open("?range=5m&refresh=0s");
  await host.settled();
  const cpu = host.chart("cpu");
  // Near the right edge: a server just started has no older samples.
  const width = await cpu.locator(".u-over").evaluate((area) => area.clientWidth);
  await cpu.locator(".u-over").hover({ position: { x: width - 8, y: 60 } });
  await expect(cpu.locator(".tooltip")).toBeVisible();
  // The other chart has no tooltip of its own, but its cursor stands at the same place.
  await expect(host.chart("load").locator(".tooltip")).toHaveCount(0);
  const at = (id: string): Promise<string> => host.chart(id).locator(".u-cursor-x").evaluate((line) => getComputedStyle(line).transform);
  expect(await at("load")).toBe(await at("cpu"));
});

test("the keyboard moves the cursor, and the legend isolates a series", async ({ page }) => {
  const host = new HostPage(page);
  await host.open("?range=5m&refresh=0s");
  await host.settled();
  const load = host.chart("load");
  await load.getByRole("img").focus();
  await page.keyboard.press("ArrowLeft");
  await expect(load.locator(".tooltip")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(load.locator(".tooltip")).toHaveCount(0);
  await load.getByRole("button", { name: "15 min" }).click();
  await expect(load.getByRole("button", { name: "5 min", exact: false }).first()).toHaveAttribute("aria-pressed", "false");
  await expect(load.getByRole("button", { name: "15 min" })).toHaveAttribute("aria-pressed", "true");
});

test("a time range is chosen by keyboard and is part of the address", async ({ page }) => {
  const host = new HostPage(page);
  await host.open("");
  await page.getByRole("button", { name: /^Time range/ }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "30 min", exact: true }).press("Enter");
  await expect(page).toHaveURL(/range=30m/);
  await expect(page.getByRole("button", { name: "Time range: Last 30 min" })).toBeVisible();
  await page.goBack();
  await expect(page).not.toHaveURL(/range=/);
});

test("dragging over a chart zooms, and one button leads back", async ({ page }) => {
  const host = new HostPage(page);
  await host.open("?range=5m");
  await host.settled();
  const box = await host.chart("cpu").locator(".u-over").boundingBox();
  if (box === null) throw new Error("the chart has no size");
  await page.mouse.move(box.x + box.width * 0.4, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 60, { steps: 5 });
  await page.mouse.up();
  await expect(page).toHaveURL(/from=\d+&to=\d+/);
  await page.getByRole("button", { name: "Back to live" }).click();
  await expect(page).not.toHaveURL(/from=/);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`the host page is accessible in ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    const host = new HostPage(page);
    await host.open();
    await host.settled();
    await expectAccessible(page);
  });
}
