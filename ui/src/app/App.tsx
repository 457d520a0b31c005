// The frame around every page: navigation, settings, the outage banner, and what to do when a page breaks.
import { Component, type ComponentChildren, type FunctionComponent } from "preact";
import { lazy, Suspense } from "preact/compat";
import { Empty, Skeleton } from "../components/States";
import { HostPage } from "../features/host/HostPage";
import { t } from "../i18n";
import { OutageBanner } from "./OutageBanner";
import { href, onLinkClick, page, type PageName } from "./router";
import { zone } from "./settings";
import { HOME, Sidebar } from "./Sidebar";

// Pages are fetched when they are opened, but for the first one.
const PAGES: Readonly<Partial<Record<PageName, FunctionComponent>>> = {
  host: HostPage,
  containers: lazy(() => import("../features/containers/ContainersPage").then((module) => module.ContainersPage)),
  query: lazy(() => import("../features/query/QueryPage").then((module) => module.QueryPage)),
  explore: lazy(() => import("../features/explore/ExplorePage").then((module) => module.ExplorePage)),
  alerts: lazy(() => import("../features/rules/AlertsPage").then((module) => module.AlertsPage)),
  rules: lazy(() => import("../features/rules/RulesPage").then((module) => module.RulesPage)),
  targets: lazy(() => import("../features/targets/TargetsPage").then((module) => module.TargetsPage)),
  discovery: lazy(() => import("../features/status/DiscoveryPage").then((module) => module.DiscoveryPage)),
  storage: lazy(() => import("../features/status/StoragePage").then((module) => module.StoragePage)),
  status: lazy(() => import("../features/status/StatusPage").then((module) => module.StatusPage)),
  flags: lazy(() => import("../features/status/FlagsPage").then((module) => module.FlagsPage)),
  config: lazy(() => import("../features/status/ConfigPage").then((module) => module.ConfigPage)),
  notices: lazy(() => import("../features/alertmanager/NoticesPage").then((module) => module.NoticesPage)),
  why: lazy(() => import("../features/alertmanager/WhyPage").then((module) => module.WhyPage)),
  silences: lazy(() => import("../features/alertmanager/SilencesPage").then((module) => module.SilencesPage)),
  silence: lazy(() => import("../features/alertmanager/SilencePage").then((module) => module.SilencePage)),
  silenceForm: lazy(() => import("../features/alertmanager/SilenceFormPage").then((module) => module.SilenceFormPage)),
  receivers: lazy(() => import("../features/alertmanager/ReceiversPage").then((module) => module.ReceiversPage)),
  cluster: lazy(() => import("../features/alertmanager/ClusterPage").then((module) => module.ClusterPage)),
};

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
  const Page = PAGES[page.value];
  if (Page !== undefined) return <Page />;
  return (
    <Empty title={t("app.missing.title")} text={t("app.missing.text")}>
      <a class="button button-primary" href={href(HOME)}>
        {t("app.missing.home")}
      </a>
    </Empty>
  );
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
          <Fence key={`${page.value} ${zone.value}`}>
            <Suspense fallback={<Skeleton height={320} />}>
              <CurrentPage />
            </Suspense>
          </Fence>
        </main>
      </div>
    </div>
  );
}
