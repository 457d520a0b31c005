// Keeping an alert quiet, from the alert to the silence's end.
import { expect, expectAccessible, expectNoSidewaysScroll, test } from "./fixtures";
import { useSite } from "./sites";

useSite("WF_ALERTMANAGER_URL");

test("an alert is silenced, the silence edited, expired and made again", async ({ page }) => {
  await page.goto("");
  const alert = page.locator("[data-fingerprint]").filter({ hasText: "TargetDown" });
  await expect(alert).toBeVisible({ timeout: 40_000 });
  await expect(page.locator('[data-receiver="pager"]')).toContainText("TargetDown");
  await expectAccessible(page);
  await alert.getByRole("button", { name: /^job=/ }).click();
  await expect(page).toHaveURL(/filter=/);
  await alert.getByRole("link", { name: "Silence" }).click();
  await expect(page.locator("[data-affected]")).toHaveAttribute("data-affected", "1");
  await page.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("alert")).toContainText("Say why.");
  await page.getByLabel("Created by").fill("kim");
  await page.getByLabel("Comment").fill("being mended");
  await page.getByRole("button", { name: "8h" }).click();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Create" }).click();
  await expect(page.locator('[data-silence-state="active"]')).toBeVisible();
  await expect(page.locator("[data-affected]")).toContainText("Silenced");
  await page.getByRole("link", { name: "Edit" }).click();
  await page.getByLabel("Comment").fill("nearly done");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("nearly done")).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("link", { name: "Alerts" }).click();
  await expect(page.locator("[data-fingerprint]").first()).toBeVisible();
  await expect(alert).toHaveCount(0);
  await page.getByRole("checkbox", { name: "Silenced" }).check();
  await expect(alert.getByRole("link", { name: "Silenced" })).toBeVisible();
  await page.getByRole("link", { name: "Silences" }).click();
  const row = page.locator("[data-silence]").filter({ hasText: "nearly done" });
  await row.getByRole("button", { name: "Expire" }).click();
  await row.getByRole("button", { name: "Really expire?" }).click();
  await page.getByRole("button", { name: /^Expired/ }).click();
  await row.getByRole("link", { name: "Recreate" }).first().click();
  await expect(page.getByLabel("Comment")).toHaveValue("nearly done");
  await expect(page.getByRole("button", { name: "Create" })).toBeVisible();
});

test("why somebody was told of an alert, or was not, is read, and a receiver is tested", async ({ page }) => {
  await page.goto("");
  const alert = page.locator("[data-fingerprint]").filter({ hasText: "TargetDown" });
  await expect(alert).toBeVisible({ timeout: 40_000 });
  await alert.getByRole("link", { name: "Why?" }).click();
  const card = page.locator("[data-why]");
  await expect(card).toHaveCount(1);
  await page.goto(`${page.url()}&refresh=1s`);
  await expect(card).toHaveAttribute("data-state", "active");
  await expect(card.locator('[data-route="pager"]')).toContainText("webhook[0]", { timeout: 20_000 });
  await expect(card.locator('[data-outcome="failed"]').first()).toContainText("webhook[1]", { timeout: 20_000 });
  await expectAccessible(page);
  // On a slow machine it may lie far behind.
  await card.getByRole("button", { name: /^Sent/ }).click();
  await expect(card.locator('[data-outcome="sent"]').first()).toContainText("webhook[0]");
  await card.getByRole("button", { name: /^Failed/ }).click();
  await expect(card.locator('[data-outcome="sent"]')).toHaveCount(0);
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSidewaysScroll(page);

  const at = Date.now();
  const silence = await page.request.post("api/v2/silences", {
    data: { matchers: [{ name: "alertname", value: "Evil", isRegex: false, isEqual: true }], startsAt: new Date(at - 1000), endsAt: new Date(at + 3_600_000), createdBy: "kim", comment: "known" },
  });
  const { silenceID: id } = (await silence.json()) as { silenceID: string };
  await page.goto('why?filter={alertname="Evil"}&refresh=1s');
  await expect(card).toHaveAttribute("data-state", "suppressed");
  await expect(card.getByRole("link", { name: id })).toBeVisible();
  await page.request.delete(`api/v2/silence/${id}`);

  await page.goto("receivers");
  const pager = page.locator('[data-receiver="pager"]');
  await pager.getByRole("button", { name: "Send a test" }).click();
  await pager.getByRole("button", { name: "Really send?" }).click();
  await expect(pager.locator('[data-trial="ok"]')).toContainText("webhook[0]");
  await expect(pager.locator('[data-trial="failed"]')).toContainText("webhook[1]");
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);
});

test("links made for the original open, and every page fits a phone", async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 800 });
  await page.goto('#/silences/new?filter={severity="page"}&comment=from%20a%20link');
  await expect(page.getByLabel("Comment")).toHaveValue("from a link");
  await expectNoSidewaysScroll(page);
  for (const [path, sign] of [["", "Alerts"], ["silences", "Silences"], ["receivers", "Receivers"], ["status", "Status"]] as const) {
    await page.goto(path);
    await expect(page.getByRole("heading", { level: 1, name: sign })).toBeVisible();
    await expect(page.locator(".skeleton")).toHaveCount(0);
    await expectNoSidewaysScroll(page);
  }
  await expect(page.getByRole("region", { name: "Configuration" })).toContainText("receiver: pager");
  await expectAccessible(page);
});
