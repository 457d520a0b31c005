// Navigation and settings: a column on wide screens, a bar on narrow ones.
import { useEffect, useRef } from "preact/hooks";
import { lastGood, useLoad } from "../api/useLoad";
import logo from "../assets/logo.svg";
import { Icon, type IconName } from "../components/Icon";
import { Select } from "../components/Select";
import { t, type PlainKey } from "../i18n";
import { component } from "./component";
import { Notifications } from "./Notifications";
import { href, page, type PageName } from "./router";
import { locale, theme } from "./settings";
import { versionOf } from "./version";

interface Entry {
  readonly name: Exclude<PageName, "missing">;
  readonly label: PlainKey;
  readonly icon: IconName;
}

const PAGES: readonly Entry[] = [
  { name: "host", label: "nav.host", icon: "host" },
  { name: "containers", label: "nav.containers", icon: "container" },
  { name: "query", label: "nav.query", icon: "query" },
  { name: "explore", label: "nav.explore", icon: "metrics" },
  { name: "alerts", label: "nav.alerts", icon: "bell" },
  { name: "rules", label: "nav.rules", icon: "rules" },
];
const SERVER_PAGES: readonly Entry[] = [
  { name: "targets", label: "nav.targets", icon: "targets" },
  { name: "discovery", label: "nav.discovery", icon: "discovery" },
  { name: "storage", label: "nav.storage", icon: "storage" },
  { name: "status", label: "nav.status", icon: "status" },
  { name: "flags", label: "nav.flags", icon: "flags" },
  { name: "config", label: "nav.config", icon: "config" },
];
const ALERTMANAGER_PAGES: readonly Entry[] = [
  { name: "notices", label: "nav.alerts", icon: "bell" },
  { name: "why", label: "why.title", icon: "question" },
  { name: "silences", label: "nav.silences", icon: "silence" },
  { name: "receivers", label: "nav.receivers", icon: "receiver" },
  { name: "cluster", label: "nav.status", icon: "status" },
];

/** The page that the brand leads to. */
export const HOME = component === "alertmanager" ? "notices" : "host";

function Links({ entries }: { readonly entries: readonly Entry[] }) {
  return (
    <ul>
      {entries.map(({ name, label, icon }) => (
        <li key={name}>
          <a class="nav-link" href={href(name)} {...(page.value === name ? { "aria-current": "page" as const } : {})}>
            <Icon name={icon} />
            <span>{t(label)}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}

const THEMES = ["system", "light", "dark"] as const;
const THEME_ICONS = { system: "system", light: "sun", dark: "moon" } as const;

export function Sidebar() {
  const nav = useRef<HTMLElement>(null);
  const current = page.value;
  // On narrow screens the navigation scrolls: where one is must be in sight.
  useEffect(() => nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [current]);
  const version = lastGood(useLoad("build", 0, versionOf).state);
  return (
    <header class="sidebar">
      <div class="sidebar-inner">
      <a class="brand" href={href(HOME)}>
        <img src={logo} alt="" width="28" height="28" />
        <span>{t("app.name")}</span>
      </a>
      <nav aria-label={t("app.nav")} ref={nav}>
        {component === "alertmanager" ? (
          <Links entries={ALERTMANAGER_PAGES} />
        ) : (
          <>
            <Links entries={PAGES} />
            <h2 class="nav-group">{t("nav.group.server")}</h2>
            <Links entries={SERVER_PAGES} />
          </>
        )}
      </nav>
      <div class="sidebar-foot">
        {component === "server" && <Notifications />}
        <Select
          label={t("app.theme")}
          icon={THEME_ICONS[theme.value]}
          options={THEMES.map((value) => ({ value, label: t(`app.theme.${value}`) }))}
          value={theme.value}
          onChange={(value) => {
            theme.value = THEMES.find((known) => known === value) ?? "system";
          }}
        />
        <Select
          label={t("app.language")}
          icon="globe"
          options={[
            { value: "en", label: "English" },
            { value: "ko", label: "한국어" },
          ]}
          value={locale.value}
          onChange={(value) => {
            locale.value = value === "ko" ? "ko" : "en";
          }}
        />
        {version !== undefined && <p class="version">{t("app.version", { version })}</p>}
      </div>
      </div>
    </header>
  );
}
