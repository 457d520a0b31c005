// Drives the UI of a running watchfire (WF_URL) in the system's Chromium; downloads nothing.
import { accessSync, constants } from "node:fs";
import { defineConfig } from "@playwright/test";

const chromium = process.env["WF_CHROMIUM"] ?? "/usr/bin/chromium";
try {
  accessSync(chromium, constants.X_OK);
} catch {
  throw new Error(`no browser at ${chromium}: install Debian's chromium, or name another one in WF_CHROMIUM`);
}
const baseURL = process.env["WF_URL"];
if (baseURL === undefined || baseURL === "") throw new Error("WF_URL is not set: it names the running watchfire to test, such as http://127.0.0.1:9090/");

export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  workers: 1,
  fullyParallel: false,
  retries: 0,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    baseURL: baseURL.endsWith("/") ? baseURL : `${baseURL}/`,
    browserName: "chromium",
    viewport: { width: 1440, height: 1000 },
    launchOptions: {
      executablePath: chromium,
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    },
  },
});
