// No container to show: why, and what to do about it.
import { api } from "../../api/client";
import { lastGood, useLoad } from "../../api/useLoad";
import { href } from "../../app/router";
import { Empty, ErrorNote, Skeleton } from "../../components/States";
import { t } from "../../i18n";
import { fetchVector } from "../host/load";
import { whyNone, type WhyNone } from "./whyNone";

function textOf(why: WhyNone): string {
  switch (why.kind) {
    case "unwatched":
      return t("container.none.unwatched");
    case "waiting":
      return t("container.none.waiting");
    case "down":
      return t("container.none.down", { url: why.url, error: why.error });
    case "unreadable":
      return t("container.none.unreadable", { instance: why.instance });
    case "none":
      return t("container.none.none", { machines: why.machines.join(", ") });
  }
}

export function NoContainers({ tick }: { readonly tick: number }) {
  const { state } = useLoad("why no container", tick, async (stop) => {
    const [targets, errors] = await Promise.all([api.targets(stop), fetchVector("container_scrape_error", stop)]);
    return whyNone(targets.data.active, errors);
  });
  const why = lastGood(state);
  if (why === undefined) return state.kind === "failed" ? <ErrorNote error={state.error} /> : <Skeleton height={240} />;
  return (
    <div data-why={why.kind}>
      <Empty title={t(why.kind === "none" ? "container.none.title" : "container.none.unknown")} text={textOf(why)}>
        <a class="button button-primary" href={href(why.kind === "none" ? "host" : "targets")}>
          {t(why.kind === "none" ? "app.missing.home" : "host.empty.targets")}
        </a>
      </Empty>
    </div>
  );
}
