// The filesystem table: how full each mount is.
import { lastGood, useLoad } from "../../api/useLoad";
import { locale } from "../../app/settings";
import { Meter } from "../../components/Meter";
import { ErrorNote, NoData, Skeleton, Stale } from "../../components/States";
import { t } from "../../i18n";
import { formatUnit } from "../../lib/format";
import { filesystemQuery, filesystemRows, type FilesystemRow } from "./filesystems";
import { fetchVector } from "./load";
import type { HostScope } from "./scope";
import { statusOf } from "./tiles";

const LIMITS = { warn: 0.85, bad: 0.95 };

function Share({ ratio, label }: { readonly ratio: number; readonly label: string }) {
  return <Meter ratio={ratio} status={statusOf(ratio, LIMITS)} label={label} text={formatUnit(ratio, "ratio", locale.value)} />;
}

function Row({ row }: { readonly row: FilesystemRow }) {
  const language = locale.value;
  return (
    <tr>
      <th scope="row">
        <span class="mono">{row.mount}</span>
        {row.readonly && <span class="badge">{t("fs.readonly")}</span>}
        {row.error !== "" && <span class="badge is-bad">{t("fs.error", { error: row.error })}</span>}
      </th>
      <td>
        <Share ratio={row.usedRatio} label={`${t("fs.used")} ${row.mount}`} />
      </td>
      <td class="num">{formatUnit(row.availableBytes, "bytes", language)}</td>
      <td class="num">{formatUnit(row.sizeBytes, "bytes", language)}</td>
      <td>{row.inodesRatio === null ? <span class="muted">–</span> : <Share ratio={row.inodesRatio} label={`${t("fs.inodes")} ${row.mount}`} />}</td>
      <td class="mono muted">{row.device}</td>
      <td class="muted">{row.type}</td>
    </tr>
  );
}

export function Filesystems({ scope, subject, tick }: { readonly scope: HostScope; readonly subject: string; readonly tick: number }) {
  const { state } = useLoad(`filesystems ${subject}`, tick, async (stop) => filesystemRows(await fetchVector(filesystemQuery(scope), stop)));
  const rows = lastGood(state);
  return (
    <section class="card filesystems" aria-label={t("panel.filesystems")}>
      <header class="card-head">
        <h3>{t("panel.filesystems")}</h3>
        {state.kind === "failed" && rows !== undefined && <Stale error={state.error} />}
      </header>
      {state.kind === "loading" && <Skeleton height={120} />}
      {state.kind === "failed" && rows === undefined && <ErrorNote error={state.error} />}
      {rows !== undefined && rows.length === 0 && <NoData height={80} text={t("fs.empty")} />}
      {rows !== undefined && rows.length > 0 && (
        <div class="table-scroll" tabIndex={0} role="region" aria-label={t("panel.filesystems")}>
          <table class="table" data-table="filesystems">
            <thead>
              <tr>
                <th scope="col">{t("fs.mount")}</th>
                <th scope="col" class="col-meter">
                  {t("fs.used")}
                </th>
                <th scope="col" class="num">
                  {t("fs.available")}
                </th>
                <th scope="col" class="num">
                  {t("fs.size")}
                </th>
                <th scope="col" class="col-meter">
                  {t("fs.inodes")}
                </th>
                <th scope="col">{t("fs.device")}</th>
                <th scope="col">{t("fs.type")}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <Row key={`${row.mount} ${row.device}`} row={row} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
