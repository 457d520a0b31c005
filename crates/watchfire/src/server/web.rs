//! Flags about pages, searches and listeners, in the original's spelling, and those that only Go needs.

use std::path::PathBuf;

use wf_server::Facts;

/// Title of the original's pages: leaving it alone leaves ours.
const DEFAULT_TITLE: &str = "Prometheus Time Series Collection and Processing Server";

/// Share of the memory that everything is laid out for.
const USUAL_RATIO: f64 = 0.9;

/// Options of pages and of what is asked of them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WebFlags {
    /// Directory of the templates of consoles, served below /consoles/
    #[arg(long = "web.console.templates", default_value = "consoles", value_parser = super::path_or_none)]
    console_templates: PathBuf,
    /// Directory of the library of those templates
    #[arg(long = "web.console.libraries", default_value = "console_libraries", value_parser = super::path_or_none)]
    console_libraries: PathBuf,
    /// Directory of files served below /user/
    #[arg(long = "web.user-assets", default_value = "", value_parser = super::path_or_none)]
    user_assets: PathBuf,
    /// Title of the pages of the UI
    #[arg(long = "web.page-title", default_value = DEFAULT_TITLE)]
    page_title: String,
    /// Most clients that listen to notifications
    #[arg(long = "web.max-notifications-subscribers", default_value_t = 16)]
    max_notifications_subscribers: usize,
    /// Most results of one search, with the feature search-api
    #[arg(long = "web.search.max-limit", default_value = "10000", value_parser = super::at_least_one)]
    search_max_limit: usize,
    /// Of the original's runtime; the number of threads follows the machine and its cgroup
    #[arg(long = "auto-gomaxprocs", hide = true, overrides_with = "no_auto_gomaxprocs")]
    auto_gomaxprocs: bool,
    #[arg(long = "no-auto-gomaxprocs", hide = true)]
    no_auto_gomaxprocs: bool,
    /// Of the original's runtime; memory follows the machine and its cgroup
    #[arg(long = "auto-gomemlimit", hide = true, overrides_with = "no_auto_gomemlimit")]
    auto_gomemlimit: bool,
    #[arg(long = "no-auto-gomemlimit", hide = true)]
    no_auto_gomemlimit: bool,
    /// Share of the memory of machine or cgroup that this process may count on
    #[arg(long = "auto-gomemlimit.ratio", default_value = "0.9", value_parser = ratio, hide = true)]
    memory_ratio: f64,
    /// Of the original's runtime; the limit is read once
    #[arg(long = "auto-gomemlimit.refresh-interval", default_value = "0s", value_parser = super::duration, hide = true)]
    memory_refresh_interval: std::time::Duration,
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if ratio > 0.0 && ratio <= 1.0 => Ok(ratio),
        Ok(_) => Err("a share above 0 and not above 1 is needed".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl WebFlags {
    /// Fits memory for series, which is meant for the usual share, to the share that was asked for.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of what fits")]
    pub(super) fn share_of(&self, bytes: u64) -> u64 {
        (bytes as f64 * self.memory_ratio / USUAL_RATIO) as u64
    }

    /// Puts what was asked for into the facts of the server.
    pub(super) fn apply(&self, facts: Facts, is_search_enabled: bool) -> Facts {
        Facts {
            is_search_enabled,
            search_limit_max: self.search_max_limit,
            n_notification_listeners_max: self.max_notifications_subscribers,
            console_templates: self.console_templates.clone(),
            console_libraries: self.console_libraries.clone(),
            user_assets: self.user_assets.clone(),
            page_title: Some(self.page_title.clone()).filter(|title| title != DEFAULT_TITLE),
            ..facts
        }
    }

    /// Returns the flags with their values, for `/api/v1/status/flags`.
    pub(super) fn flags(&self) -> Vec<(&'static str, String)> {
        let path = |path: &PathBuf| path.display().to_string();
        vec![
            ("auto-gomaxprocs", (!self.no_auto_gomaxprocs).to_string()),
            ("auto-gomemlimit", (!self.no_auto_gomemlimit).to_string()),
            ("auto-gomemlimit.ratio", self.memory_ratio.to_string()),
            ("auto-gomemlimit.refresh-interval", wf_model::duration::format(self.memory_refresh_interval)),
            ("web.console.libraries", path(&self.console_libraries)),
            ("web.console.templates", path(&self.console_templates)),
            ("web.max-notifications-subscribers", self.max_notifications_subscribers.to_string()),
            ("web.page-title", self.page_title.clone()),
            ("web.search.max-limit", self.search_max_limit.to_string()),
            ("web.user-assets", path(&self.user_assets)),
        ]
    }
}
