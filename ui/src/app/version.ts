// Which version answers: the cheapest question, and so the probe of whether anybody does.
import { api, bareRequest } from "../api/client";
import { object, optional, string } from "../api/decode";
import { component } from "./component";

const versionInfo = object<{ versionInfo: { version: string } }>({ versionInfo: object<{ version: string }>({ version: optional(string, "") }) });

export async function versionOf(stop: AbortSignal): Promise<string> {
  if (component === "alertmanager") return (await bareRequest("GET", "api/v2/status", {}, undefined, versionInfo, stop)).versionInfo.version;
  const { version, watchfireVersion } = (await api.buildInfo(stop)).data;
  return watchfireVersion === "" ? version : watchfireVersion;
}
