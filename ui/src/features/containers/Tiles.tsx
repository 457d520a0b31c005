// The sums over the containers shown.
import { locale } from "../../app/settings";
import { plural, t } from "../../i18n";
import { formatNumber, formatParts, formatUnit, type Formatted } from "../../lib/format";
import { type Answers, type Container, totalsOf } from "./containers";
import { cpuText } from "./ContainerTable";

interface TileProps {
  readonly id: string;
  readonly title: string;
  readonly value: Formatted;
  readonly note: string;
  readonly status?: "warn" | "bad";
}

function Tile({ id, title, value, note, status }: TileProps) {
  return (
    <article class={`tile tile-utilisation tile-plain ${status === undefined ? "" : `is-${status}`}`} data-tile={id} data-value={value.text}>
      <h3>{title}</h3>
      <div class="tile-value">
        {value.text}
        {value.unit !== "" && <span class="tile-unit">{value.unit}</span>}
      </div>
      <p class="tile-note">{note}</p>
    </article>
  );
}

export function Tiles({ containers, machines }: { readonly containers: readonly Container[]; readonly machines: Answers["machines"] }) {
  const language = locale.value;
  const totals = totalsOf(containers);
  const sum = (name: string): number => machines.filter(({ labels }) => labels["__name__"] === name).reduce((total, sample) => total + sample.v, 0);
  const [cores, memory] = [sum("machine_cpu_cores"), sum("machine_memory_bytes")];
  const count = new Set(containers.map((one) => one.instance)).size;
  const plain = (value: number): Formatted => ({ text: formatNumber(value, language, 0), unit: "" });
  const both = (bytes: number): string => formatUnit(bytes, "bytes/s", language);
  return (
    <div class="tiles">
      <Tile id="containers" title={t("nav.containers")} value={plain(containers.length)} note={plural("container.machines.one", "container.machines.other", count, formatNumber(count, language, 0))} />
      <Tile id="container-cpu" title={t("container.cpu")} value={{ text: cpuText(totals.cpu), unit: "" }} note={cores === 0 ? "" : t("container.ofCpus", { count: formatNumber(cores, language, 0) })} />
      <Tile id="container-memory" title={t("tile.memory")} value={formatParts(totals.memory, "bytes", language)} note={memory === 0 ? "" : t("container.of", { limit: formatUnit(memory, "bytes", language) })} />
      <Tile id="container-network" title={t("tile.network")} value={formatParts(totals.received + totals.sent, "bytes/s", language)} note={`↓ ${both(totals.received)} ↑ ${both(totals.sent)}`} />
      <Tile id="container-restarts" title={t("container.restarts")} value={plain(totals.restarts)} note={t("tile.oom.note")} {...(totals.restarts > 0 ? { status: "warn" as const } : {})} />
      <Tile id="container-oom" title={t("tile.oom")} value={plain(totals.oomKills)} note={t("tile.oom.note")} {...(totals.oomKills > 0 ? { status: "bad" as const } : {})} />
    </div>
  );
}
