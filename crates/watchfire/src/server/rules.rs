//! Flags about rules and notifications, in the original's spelling.

use std::time::Duration;

use wf_rules::{AlertTimes, NotifierOptions};
use wf_server::RuleOptions;

/// Options of rules and notifications.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RuleFlags {
    /// How far back the `for` state of alerts is looked for after a restart
    #[arg(long = "rules.alert.for-outage-tolerance", default_value = "1h", value_parser = super::duration)]
    outage_tolerance: Duration,
    /// Shortest `for` that is restored, and the least time until a restored alert fires
    #[arg(long = "rules.alert.for-grace-period", default_value = "10m", value_parser = super::duration)]
    grace_period: Duration,
    /// Least time between two notifications of one alert
    #[arg(long = "rules.alert.resend-delay", default_value = "1m", value_parser = super::duration)]
    resend_delay: Duration,
    /// Rules of one group evaluated at the same time, with the feature concurrent-rule-eval
    #[arg(long = "rules.max-concurrent-evals", default_value = "4", value_parser = super::at_least_one)]
    concurrent_evals: usize,
    /// Most alerts that wait for one Alertmanager
    #[arg(long = "alertmanager.notification-queue-capacity", default_value = "10000", value_parser = super::at_least_one)]
    queue_capacity: usize,
    /// Most alerts of one request
    #[arg(long = "alertmanager.notification-batch-size", default_value = "256", value_parser = super::at_least_one)]
    batch_size: usize,
    /// Send what waits before the program ends
    #[arg(long = "alertmanager.drain-notification-queue-on-shutdown", overrides_with = "no_drain")]
    drain: bool,
    #[arg(long = "no-alertmanager.drain-notification-queue-on-shutdown", hide = true)]
    no_drain: bool,
}

impl RuleFlags {
    /// Returns them as the server takes them; `is_concurrent` as the feature says.
    pub(super) fn options(&self, is_concurrent: bool, external_url: String) -> RuleOptions {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        RuleOptions {
            times: AlertTimes {
                outage_tolerance_ms: ms(self.outage_tolerance),
                grace_ms: ms(self.grace_period),
                resend_delay_ms: ms(self.resend_delay),
            },
            n_concurrent: if is_concurrent { self.concurrent_evals } else { 1 },
            notifier: NotifierOptions {
                capacity: self.queue_capacity,
                batch_size: self.batch_size,
                drains: !self.no_drain,
            },
            external_url,
        }
    }

    /// Returns the flags with their values, for `/api/v1/status/flags`.
    pub(super) fn flags(&self) -> [(&'static str, String); 7] {
        let time = wf_model::duration::format;
        [
            ("rules.alert.for-outage-tolerance", time(self.outage_tolerance)),
            ("rules.alert.for-grace-period", time(self.grace_period)),
            ("rules.alert.resend-delay", time(self.resend_delay)),
            ("rules.max-concurrent-evals", self.concurrent_evals.to_string()),
            ("alertmanager.notification-queue-capacity", self.queue_capacity.to_string()),
            ("alertmanager.notification-batch-size", self.batch_size.to_string()),
            ("alertmanager.drain-notification-queue-on-shutdown", (!self.no_drain).to_string()),
        ]
    }
}
