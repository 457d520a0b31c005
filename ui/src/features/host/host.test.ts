import { describe, expect, it } from "vitest";
import type { VectorSample } from "../../api/types";
import { filesystemRows } from "./filesystems";
import { quote, rate, readHosts, scopeOf, select } from "./scope";
import { statusOf, TILES } from "./tiles";

const host = { instance: 'a"b\\c', job: "node", nodename: "n", system: "Linux", release: "6", machine: "x86_64" };
const scope = scopeOf(host, { startS: 0, endS: 900, stepS: 5 }, 5);
const sample = (labels: Record<string, string>, v: number): VectorSample => ({ labels, t: 0, v, histogram: null });

describe("queries of the host page", () => {
  it("select this host, whatever its name", () => {
    expect(quote('a"b\\c\n')).toBe('"a\\"b\\\\c\\n"');
    expect(select(scope, "node_load1")).toBe('node_load1{instance="a\\"b\\\\c",job="node"}');
    expect(rate(scope, "x_total", 'mode="idle"')).toBe('rate(x_total{instance="a\\"b\\\\c",job="node",mode="idle"}[20s])');
  });
  it("never forget the host in any tile", () => {
    for (const tile of TILES) expect(tile.expr(scope), tile.id).toContain('instance="a');
  });
});

describe("hosts", () => {
  it("are one an instance, by name", () => {
    const hosts = readHosts([sample({ instance: "2", nodename: "b" }, 1), sample({ instance: "1", nodename: "a" }, 1), sample({ instance: "1", nodename: "a" }, 1)]);
    expect(hosts.map((one) => one.nodename)).toEqual(["a", "b"]);
  });
});

describe("tile status", () => {
  it("follows the limits; no limits, no judgement", () => {
    const limits = { warn: 0.8, bad: 0.95 };
    expect([null, NaN, 0.5, 0.8, 0.95].map((value) => statusOf(value, limits))).toEqual(["none", "none", "ok", "warn", "bad"]);
    expect(statusOf(1e12, null)).toBe("ok");
  });
});

describe("filesystems", () => {
  const fs = (mountpoint: string, device: string, values: Record<string, number>, extra: Record<string, string> = {}): VectorSample[] =>
    Object.entries(values).map(([name, v]) => sample({ __name__: `node_filesystem_${name}`, mountpoint, device, fstype: "ext4", ...extra }, v));
  it("count as df does: blocks reserved for root are neither used nor available", () => {
    const [row] = filesystemRows(fs("/", "/dev/a", { size_bytes: 100, free_bytes: 60, avail_bytes: 40, files: 10, files_free: 4, readonly: 1 }));
    expect(row).toMatchObject({ usedRatio: 0.5, inodesRatio: 0.6, readonly: true, error: "" });
  });
  it("show a device once, at its shortest path, fullest first", () => {
    const gauges = (free: number): Record<string, number> => ({ size_bytes: 100, free_bytes: free, avail_bytes: free });
    const rows = filesystemRows([...fs("/var/lib/x", "/dev/a", gauges(50)), ...fs("/", "/dev/a", gauges(50)), ...fs("/data", "/dev/b", gauges(10))]);
    expect(rows.map((row) => row.mount)).toEqual(["/data", "/"]);
  });
  it("keep a mount that cannot be read, with the reason, and drop empty ones", () => {
    const rows = filesystemRows([...fs("/nfs", "srv:/x", { device_error: 1, readonly: 0 }, { device_error: "permission denied" }), ...fs("/proc", "proc", { size_bytes: 0 })]);
    expect(rows.map((row) => [row.mount, row.error])).toEqual([["/nfs", "permission denied"]]);
  });
});
