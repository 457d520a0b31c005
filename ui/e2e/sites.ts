// Where the journeys run: `watchfire up` is the base; a server with rules and an odd target, and an Alertmanager, beside it.
import { test } from "./fixtures";

/** Runs the tests of a file against another program than `watchfire up`. */
export function useSite(name: "WF_SERVER_URL" | "WF_ALERTMANAGER_URL"): void {
  const address = process.env[name] ?? "";
  test.skip(address === "", `SKIPPED: ${name} names no running program`);
  test.use({ baseURL: address.endsWith("/") ? address : `${address}/` });
}
