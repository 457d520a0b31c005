// The states besides data, designed once: loading, empty, failed.
import type { ComponentChildren } from "preact";
import { type ApiError, retries } from "../api/client";
import { t } from "../i18n";
import { Icon } from "./Icon";

export function Skeleton({ height }: { readonly height: number }) {
  return (
    <div class="skeleton" style={{ height: `${height}px` }} role="status">
      <span class="visually-hidden">{t("common.loading")}</span>
    </div>
  );
}

export function NoData({ height, text }: { readonly height: number; readonly text?: string }) {
  return (
    <div class="no-data" style={{ minHeight: `${height}px` }}>
      <Icon name="empty" />
      <span>{text ?? t("common.noData")}</span>
    </div>
  );
}

/** A failure in place: what went wrong in the server's own words, and a way to try again. */
export function ErrorNote({ error, children }: { readonly error: ApiError; readonly children?: ComponentChildren }) {
  return (
    <div class="error-note" role="alert">
      <Icon name="alert" />
      <div class="error-body">
        <strong>{t(`error.${error.kind}`)}</strong>
        {error.message !== "" && <p class="mono">{error.message}</p>}
        {children}
      </div>
      {/* A refused query is refused again: only what may pass by itself is worth another try. */}
      {error.kind !== "refused" && (
        <button type="button" class="button" onClick={() => (retries.value += 1)}>
          {t("common.retry")}
        </button>
      )}
    </div>
  );
}

/** Marks what stays on screen although newer data could not be had, and says why. */
export function Stale({ error }: { readonly error: ApiError }) {
  return (
    <span class="badge is-warn" title={error.message}>
      {t("common.stale")}
    </span>
  );
}

/** A page or area that has nothing to show and says why and what to do. */
export function Empty({ title, text, children }: { readonly title: string; readonly text: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name="empty" />
      <h2>{title}</h2>
      <p>{text}</p>
      {children}
    </div>
  );
}
