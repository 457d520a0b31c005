import { describe, expect, it } from "vitest";
import type { Target, VectorSample } from "../../api/types";
import { type Answers, filterContainers, groupContainers, isContainer, readContainers, sortContainers, totalsOf } from "./containers";
import { readContainersState, writeContainersState } from "./containerUrl";
import { anyOf, listQueries } from "./queries";
import { whyNone } from "./whyNone";

const HASH = "0123456789abcdef".repeat(4);
const sample = (labels: Record<string, string>, v: number): VectorSample => ({ labels: { instance: "m", job: "c", ...labels }, t: 0, v, histogram: null });
const NONE: Answers = { gauges: [], cpu: [], received: [], sent: [], read: [], written: [], throttled: [], oomKills: [], lives: [], machines: [] };
const gauges = (labels: Record<string, string>, values: Record<string, number>): VectorSample[] => Object.entries(values).map(([name, v]) => sample({ ...labels, __name__: `container_${name}` }, v));

const app = { id: "/kubepods/pod1/app1", container: "app", pod: "web-1", namespace: "shop", name: "app1" };
const proxy = { id: "/kubepods/pod1/proxy1", container: "proxy", pod: "web-1", namespace: "shop", name: "proxy1" };
const docker = { id: `/docker/${HASH}`, name: "db", image: "postgres:17" };
const ANSWERS: Answers = {
  ...NONE,
  gauges: [
    ...gauges(app, { memory_working_set_bytes: 100, spec_memory_limit_bytes: 400, start_time_seconds: 5, spec_cpu_quota: 50_000, spec_cpu_period: 100_000 }),
    ...gauges(proxy, { memory_working_set_bytes: 50, spec_memory_limit_bytes: 0, start_time_seconds: 5 }),
    ...gauges(docker, { memory_working_set_bytes: 70, start_time_seconds: 9 }),
    // Over: its last sample is younger than the lookback, but its start is told no more.
    ...gauges({ ...docker, id: `/docker/${HASH}x`, name: "gone" }, { memory_working_set_bytes: 1 }),
    ...gauges({ id: "/kubepods/pod1", pod: "web-1", namespace: "shop" }, { memory_working_set_bytes: 150, start_time_seconds: 5 }),
  ],
  cpu: [sample(app, 0.2), sample(proxy, 0.1), sample(docker, 1)],
  received: [sample({ id: "/kubepods/pod1", pod: "web-1", namespace: "shop" }, 30), sample(docker, 7)],
  sent: [sample({ id: "/kubepods/pod1", pod: "web-1", namespace: "shop" }, 3)],
  oomKills: [sample(docker, 2)],
  lives: [sample(app, 1), sample({ ...app, id: "/kubepods/pod1/app0", name: "app0" }, 1), sample(proxy, 1), sample(docker, 3)],
};

describe("containers", () => {
  it("are groups with a container's name or id; pods, sandboxes and services are none", () => {
    const is = [app, docker, { id: `/system.slice/docker-${HASH}.scope` }, { id: `/x/${HASH}` }];
    const no = [{ id: "/kubepods/pod1", pod: "web-1" }, { ...app, container: "POD" }, { id: "/system.slice/ssh.service" }];
    expect([...is, ...no].map((labels) => isContainer(labels))).toEqual([true, true, true, true, false, false, false]);
  });
  it("have their limits, their pod's network, and the restarts that made new groups", () => {
    const rows = readContainers(ANSWERS);
    expect(rows.map((row) => row.name)).toEqual(["app", "proxy", "db"]);
    expect(rows[0]).toMatchObject({ cpu: 0.2, cpuLimit: 0.5, memory: 100, memoryLimit: 400, networkId: "/kubepods/pod1", received: 30, restarts: 1, oomKills: 0 });
    expect(rows[1]).toMatchObject({ cpuLimit: null, memoryLimit: null, restarts: 0 });
    expect(rows[2]).toMatchObject({ networkId: docker.id, received: 7, sent: null, restarts: 2, oomKills: 2, startedS: 9 });
  });
  it("count a pod's network once", () => {
    expect(totalsOf(readContainers(ANSWERS))).toMatchObject({ received: 37, sent: 3, memory: 220 });
  });
  it("are sorted, filtered and grouped", () => {
    const rows = readContainers(ANSWERS);
    const names = (list: readonly { name: string }[]): string[] => list.map((one) => one.name);
    expect(names(sortContainers(rows, "cpu", false))).toEqual(["db", "app", "proxy"]);
    expect(names(sortContainers(rows, "memory", true))).toEqual(["proxy", "db", "app"]);
    expect(names(sortContainers(rows, "name", false))).toEqual(["app", "db", "proxy"]);
    expect(names(filterContainers(rows, "WEB-1 app"))).toEqual(["app"]);
    expect(groupContainers(sortContainers(rows, "cpu", false), "pod").map((group) => [group.name, names(group.containers)])).toEqual([["shop/web-1", ["app", "proxy"]], ["", ["db"]]]);
  });
});

describe("questions about containers", () => {
  it("take any machine's and group's name as text", () => {
    expect(listQueries('a"b', "60s", 1).oomKills).toBe('round(increase(container_oom_events_total{id!="/",instance="a\\"b"}[60s])) > 0');
    expect(anyOf(["/a.b", "/c(1)", "/a.b"])).toBe('"/a\\\\.b|/c\\\\(1\\\\)"');
  });
});

describe("no container", () => {
  const target = (path: string, health: Target["health"]): Target => ({ scrapePool: "c", scrapeUrl: `http://m${path}`, labels: { instance: "m", job: "c" }, discoveredLabels: {}, lastError: "refused", lastScrape: "", lastScrapeDuration: 0, health, scrapeInterval: "", scrapeTimeout: "" });
  it("has a reason", () => {
    const kinds = [
      whyNone([], []),
      whyNone([target("/metrics", "up")], []),
      whyNone([target("/metrics/cadvisor", "unknown")], []),
      whyNone([target("/metrics/cadvisor", "down")], []),
      whyNone([target("/metrics", "up")], [sample({}, 0)]),
      whyNone([target("/metrics", "up")], [sample({}, 1)]),
    ].map((why) => why.kind);
    expect(kinds).toEqual(["unwatched", "unwatched", "waiting", "down", "none", "unreadable"]);
  });
});

describe("the state in the address", () => {
  it("is read as it was written, and defaults leave no trace", () => {
    const params = new URLSearchParams();
    const state = { text: "db", by: "pod", sort: "memory", reversed: true, instance: "m", chosen: '["m","c","/x"]' } as const;
    writeContainersState(params, state);
    expect(readContainersState(params)).toEqual(state);
    writeContainersState(params, readContainersState(new URLSearchParams()));
    expect(params.toString()).toBe("");
  });
});
