// The configuration as the server understood it; secrets are hidden by the server.
import { lastGood, useLoad } from "../../api/useLoad";
import { CopyButton } from "../../components/CopyButton";
import { PageHead } from "../../components/PageHead";
import { ErrorNote, Skeleton } from "../../components/States";
import { Yaml } from "../../components/Yaml";
import { t } from "../../i18n";
import { statusApi } from "./statusApi";

export function ConfigPage() {
  const { state } = useLoad("config", 0, async (stop) => (await statusApi.config(stop)).data.yaml);
  const yaml = lastGood(state);
  return (
    <>
      <PageHead title={t("nav.config")}>{yaml !== undefined && <CopyButton text={yaml} />}</PageHead>
      {state.kind === "loading" && <Skeleton height={320} />}
      {state.kind === "failed" && <ErrorNote error={state.error} />}
      {yaml !== undefined && <Yaml text={yaml} label={t("nav.config")} />}
    </>
  );
}
