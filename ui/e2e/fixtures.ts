// What every journey is held to: no console error, no policy violation, no serious accessibility fault.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test as base, expect, type Page } from "@playwright/test";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface AxeViolation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
}

declare global {
  interface Window {
    /** Absent on a page that was never opened. */
    policyViolations?: string[];
    axe: { run: (context: Document, options: object) => Promise<{ violations: AxeViolation[] }> };
  }
}

/** Complaints of a page that a test may expect (it made the server fail on purpose). */
export interface Complaints {
  allow: (pattern: RegExp) => void;
}

export const test = base.extend<{ complaints: Complaints }>({
  complaints: [
    async ({ page }, use) => {
      const seen: string[] = [];
      const allowed: RegExp[] = [];
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") seen.push(`${message.type()}: ${message.text()}`);
      });
      page.on("pageerror", (error) => seen.push(`uncaught: ${error.message}`));
      await page.addInitScript(() => {
        window.policyViolations = [];
        document.addEventListener("securitypolicyviolation", (event) => window.policyViolations?.push(`${event.violatedDirective} ${event.blockedURI}`));
      });
      await use({ allow: (pattern) => allowed.push(pattern) });
      const violations = page.isClosed() ? [] : await page.evaluate(() => window.policyViolations ?? []);
      expect(violations, "Content-Security-Policy violations").toEqual([]);
      expect(
        seen.filter((text) => !allowed.some((pattern) => pattern.test(text))),
        "complaints in the console",
      ).toEqual([]);
    },
    { auto: true },
  ],
});

/** Asserts that axe finds nothing serious or critical on the page as it stands. */
export async function expectAccessible(page: Page): Promise<void> {
  // Evaluated, not injected as a script: the page's own policy stays in force.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations
    .filter((violation) => violation.impact === "serious" || violation.impact === "critical")
    .map((violation) => `${violation.id}: ${violation.nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary ?? ""}`).join("; ")}`);
  expect(serious, "serious accessibility faults").toEqual([]);
}

/** Asserts that the page does not scroll sideways. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  // A chart takes its new width in the frame after the window has it.
  await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
}

export { expect };
