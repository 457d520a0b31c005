// Build, development server and unit tests of the web UI.
import { defineConfig } from "vitest/config";

/** What the server sends with every page; the preview server sends the same so that a violation shows up early. */
export const CONTENT_SECURITY_POLICY =
  "default-src 'self'; base-uri 'self'; object-src 'none'; frame-ancestors 'none'; form-action 'self'";

/** Address of the API while developing: a running watchfire, or any Prometheus. */
const upstream = process.env["WF_UPSTREAM"] ?? "http://127.0.0.1:9090";
// The host stays that of the page: a server refuses changes that another origin asks for.
const forwarded = { target: upstream, changeOrigin: false };
const proxy = { "/api": forwarded, "/-": forwarded };

// A server marks its page with what it is; while developing, WF_COMPONENT=alertmanager does.
export default defineConfig({
  // Every address is relative, so that the same files work under any sub-path.
  base: "./",
  plugins: [{ name: "component", transformIndexHtml: (html) => (process.env["WF_COMPONENT"] === undefined ? html : html.replace("<html", `<html data-component="${process.env["WF_COMPONENT"]}"`)) }],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    // The policy allows no data: addresses, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false,
  },
  server: { proxy },
  preview: { proxy, headers: { "Content-Security-Policy": CONTENT_SECURITY_POLICY } },
  // Nothing here waits: a test that takes long has a busy machine.
  test: { include: ["src/**/*.test.ts", "test/**/*.test.ts"], environment: "node", testTimeout: 60_000, hookTimeout: 60_000 },
});
