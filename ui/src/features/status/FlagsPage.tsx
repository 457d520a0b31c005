// The flags that this server runs with.
import { useMemo } from "preact/hooks";
import { lastGood, useLoad } from "../../api/useLoad";
import { search, updateParams } from "../../app/router";
import { PageHead } from "../../components/PageHead";
import { SearchBox } from "../../components/SearchBox";
import { ErrorNote, NoData, Skeleton } from "../../components/States";
import { t } from "../../i18n";
import { statusApi } from "./statusApi";

export function FlagsPage() {
  const text = useMemo(() => new URLSearchParams(search.value).get("q") ?? "", [search.value]);
  const { state } = useLoad("flags", 0, async (stop) => (await statusApi.flags(stop)).data);
  const flags = lastGood(state);
  const wanted = text.toLowerCase();
  const shown = Object.entries(flags ?? {}).filter(([name, value]) => `--${name}=${value}`.toLowerCase().includes(wanted));
  return (
    <>
      <PageHead title={t("nav.flags")} />
      {state.kind === "loading" && <Skeleton height={320} />}
      {state.kind === "failed" && <ErrorNote error={state.error} />}
      {flags !== undefined && (
        <section class="card">
          <div class="filters" role="search">
            <SearchBox label={t("flags.search")} value={text} onInput={(q) => updateParams((p) => (q === "" ? p.delete("q") : p.set("q", q)), "replace")} />
          </div>
          {shown.length === 0 && <NoData height={120} text={t("flags.noMatch")} />}
          <table class="table flag-table" data-table="flags">
            <tbody>
              {shown.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => (
                <tr key={name}>
                  <th scope="row" class="mono">
                    --{name}
                  </th>
                  <td class="mono">{value === "" ? <span class="muted">–</span> : value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}
