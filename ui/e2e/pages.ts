// Page objects: how a person finds things, by role and label.
import { expect, type Locator, type Page } from "@playwright/test";

export class HostPage {
  constructor(readonly page: Page) {}

  async open(query = "?range=5m"): Promise<void> {
    await this.page.goto(query);
    await expect(this.page.locator('[data-chart="cpu"]')).toBeVisible();
  }

  chart(id: string): Locator {
    return this.page.locator(`[data-chart="${id}"]`);
  }

  tile(id: string): Locator {
    return this.page.locator(`[data-tile="${id}"]`);
  }

  /** Time of the newest sample that a chart shows, in seconds; 0 when it shows none. */
  async newest(id: string): Promise<number> {
    return Number(await this.chart(id).getAttribute("data-last"));
  }

  /** Waits until rates have had two scrapes and are drawn. */
  async settled(): Promise<void> {
    await expect.poll(() => this.newest("cpu"), { timeout: 30_000 }).toBeGreaterThan(0);
    await expect.poll(() => this.newest("memory")).toBeGreaterThan(0);
  }
}

export class QueryPage {
  constructor(readonly page: Page) {}

  async open(query = "query"): Promise<void> {
    await this.page.goto(query);
    await expect(this.editor).toBeVisible();
  }

  get editor(): Locator {
    return this.page.getByRole("textbox", { name: "PromQL expression" }).first();
  }

  get rows(): Locator {
    return this.page.locator('[data-table="result"] tbody tr');
  }

  /** Types an expression and runs it with Enter, without taking a completion. */
  async run(expr: string): Promise<void> {
    await this.editor.click();
    await this.page.keyboard.press("ControlOrMeta+a");
    await this.page.keyboard.insertText(expr);
    await this.page.keyboard.press("ControlOrMeta+Enter");
  }
}
