// The frame around every page: navigation, settings, the outage banner, and what to do when a page breaks.
import { Component, type ComponentChildren } from "preact";
import { lazy, Suspense } from "preact/compat";
import { Skeleton } from "../components/States";
import { Empty } from "../components/States";
import { HostPage } from "../features/host/HostPage";
import { t } from "../i18n";
import { OutageBanner } from "./OutageBanner";
import { href, onLinkClick, page } from "./router";
import { Sidebar } from "./Sidebar";

// The editor is most of our bytes: it is fetched with the page that needs it.
const QueryPage = lazy(() => import("../features/query/QueryPage").then((module) => module.QueryPage));
const TargetsPage = lazy(() => import("../features/targets/TargetsPage").then((module) => module.TargetsPage));

class Fence extends Component<{ readonly children: ComponentChildren }, { readonly broken: boolean }> {
  override state = { broken: false };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ broken: true });
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <Empty title={t("app.crash.title")} text={t("app.crash.text")}>
        <button type="button" class="button button-primary" onClick={() => window.location.reload()}>
          {t("app.crash.reload")}
        </button>
      </Empty>
    );
  }
}

function CurrentPage() {
  switch (page.value) {
    case "host":
      return <HostPage />;
    case "query":
      return <QueryPage />;
    case "targets":
      return <TargetsPage />;
    case "missing":
      return (
        <Empty title={t("app.missing.title")} text={t("app.missing.text")}>
          <a class="button button-primary" href={href("host")}>
            {t("app.missing.home")}
          </a>
        </Empty>
      );
  }
}

export function App() {
  return (
    <div class="app" onClick={onLinkClick}>
      <a class="skip-link" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
        {t("app.skip")}
      </a>
      <Sidebar />
      <div class="main-column">
        <OutageBanner />
        <main id="main" tabIndex={-1}>
          <Fence key={page.value}>
            <Suspense fallback={<Skeleton height={320} />}>
              <CurrentPage />
            </Suspense>
          </Fence>
        </main>
      </div>
    </div>
  );
}
