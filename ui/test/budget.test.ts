// The first view must stay small: this builds the app and weighs what the first page loads.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const FIRST_VIEW_BYTES = 200_000;
const EDITOR_BYTES = 170_000;

let dir = "";
const weight = (name: string): number => gzipSync(readFileSync(join(dir, name)), { level: 9 }).length;
/** Chunks that a chunk imports at once, without the ones it fetches later. */
const imports = (name: string): string[] => [...readFileSync(join(dir, name), "utf8").matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)].map((match) => `assets/${match[1] ?? ""}`);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "watchfire-ui-"));
  await build({ logLevel: "error", build: { outDir: dir, emptyOutDir: true } });
}, 60_000);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("the built app", () => {
  it(`loads its first view in at most ${FIRST_VIEW_BYTES} gzipped bytes, fonts included`, () => {
    const html = readFileSync(join(dir, "index.html"), "utf8");
    const named = [...html.matchAll(/(?:src|href)="\.\/([^"]+\.(?:js|css|svg))"/g)].map((match) => match[1] ?? "");
    const styles = named.filter((name) => name.endsWith(".css")).flatMap((name) => [...readFileSync(join(dir, name), "utf8").matchAll(/url\(\.?\/?([^)"]+\.woff2)\)/g)].map((match) => `assets/${match[1] ?? ""}`));
    const files = new Set(["index.html", ...named, ...styles]);
    for (const file of files) if (file.endsWith(".js")) for (const more of imports(file)) files.add(more);
    const total = [...files].reduce((sum, file) => sum + weight(file), 0);
    console.log(`first view: ${total} bytes gzip in ${files.size} files`);
    expect(files.size).toBeGreaterThan(4);
    expect(total).toBeLessThanOrEqual(FIRST_VIEW_BYTES);
    expect([...files].some((file) => file.includes("PromqlEditor"))).toBe(false);
  });
  it("has no inline script or style, and no address that leaves the base", () => {
    const html = readFileSync(join(dir, "index.html"), "utf8");
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)/);
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/);
    expect(html).not.toMatch(/(?:src|href)="(?:\/|https?:)/);
    expect(html).toContain('<base href="./"');
  });
  it(`keeps the editor chunk within ${EDITOR_BYTES} gzipped bytes`, () => {
    const page = readFileSync(join(dir, "index.html"), "utf8").match(/assets\/index-[^"]+\.js/)?.[0] ?? "";
    const editor = [...readFileSync(join(dir, page), "utf8").matchAll(/QueryPage-[\w-]+\.js/g)][0]?.[0] ?? "";
    const chunk = [...readFileSync(join(dir, "assets", editor), "utf8").matchAll(/PromqlEditor-[\w-]+\.js/g)][0]?.[0] ?? "";
    expect(weight(`assets/${chunk}`)).toBeLessThanOrEqual(EDITOR_BYTES);
  });
});
