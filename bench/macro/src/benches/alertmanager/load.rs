//! Routes, inhibition rules and alerts as a site of many teams has them.

use std::fmt::Write;

use crate::report::thousands;

/// Alerts in a request: what Prometheus sends at most.
pub(super) const BATCH: u64 = 64;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) n_alerts: u64,
    pub(super) n_routes: u64,
    pub(super) n_rules: u64,
}

impl Load {
    pub(super) fn sentence(&self) -> String {
        format!(
            "{} active alerts over {} routes and {} inhibition rules.",
            thousands(self.n_alerts),
            self.n_routes,
            self.n_rules
        )
    }

    /// Returns an alertmanager.yml. Groups wait for an hour: what is measured is not sending.
    pub(super) fn config(&self) -> String {
        let mut text =
            "route:\n  receiver: r\n  group_by: [alertname, cluster]\n  group_wait: 1h\n  routes:\n"
                .to_owned();
        for team in 0..self.n_routes {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  - matchers: ['team=\"team-{team}\"']\n    receiver: r");
            if team % 5 == 0 {
                let _ = writeln!(
                    text,
                    "    routes: [{{matchers: ['severity=~\"critical|page\"'], receiver: r, group_by: [team]}}]"
                );
            }
        }
        text.push_str("receivers: [{name: r}]\ninhibit_rules:\n");
        for rule in 0..self.n_rules {
            let matchers = match rule % 3 {
                0 => format!(
                    "source_matchers: ['alertname=\"Down{rule}\"'], target_matchers: ['kind=\"k{rule}\"']"
                ),
                1 => format!(
                    "source_matchers: ['alertname=~\"Down{rule}|Gone{rule}\"'], target_matchers: ['severity=~\"warning|info\"', 'kind=\"k{rule}\"']"
                ),
                _ => "source_matchers: ['severity=\"critical\"'], target_matchers: ['severity=\"warning\"']"
                    .to_owned(),
            };
            let _ = writeln!(text, "- {{{matchers}, equal: [cluster, namespace, instance, rule{rule}]}}");
        }
        text
    }

    /// Returns the bodies of one round of posts; each round ends later than the one before, as refreshes do.
    pub(super) fn batches(&self, round: u64) -> Vec<String> {
        let alerts: Vec<u64> = (0..self.n_alerts).collect();
        let batch = |numbers: &[u64]| {
            let texts: Vec<String> = numbers.iter().map(|number| self.alert(*number, round)).collect();
            format!("[{}]", texts.join(","))
        };
        alerts.chunks(usize::try_from(BATCH).unwrap_or(1)).map(batch).collect()
    }

    fn alert(&self, number: u64, round: u64) -> String {
        let severity = ["warning", "critical", "info", "page"][usize::try_from(number % 4).unwrap_or(0)];
        let (team, kind, cluster) = (number % self.n_routes, number % 90, number % 20);
        let (minutes, seconds) = (round / 60 % 60, round % 60);
        format!(
            "{{\"labels\":{{\"alertname\":\"Alert{}\",\"cluster\":\"c{cluster}\",\"instance\":\"node-{number}:9100\",\
             \"job\":\"node\",\"kind\":\"k{kind}\",\"namespace\":\"ns-{}\",\"severity\":\"{severity}\",\"team\":\"team-{team}\"}},\
             \"annotations\":{{\"summary\":\"Alert {number} of team {team} fires\",\"description\":\"The instance node-{number} \
             has been in trouble for a while, and somebody should look at it.\"}},\
             \"startsAt\":\"2026-01-01T00:00:00.123Z\",\"endsAt\":\"2100-01-01T00:{minutes:02}:{seconds:02}.456Z\",\
             \"generatorURL\":\"http://prometheus.example:9090/graph?g0.expr=up%3D%3D0&g0.tab=1\"}}",
            number % 300,
            number % 50,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_is_in_a_round_once() {
        let load = Load { n_alerts: 130, n_routes: 7, n_rules: 3 };
        let batches = load.batches(1);
        assert_eq!(batches.len(), 3);
        let read = |batch: &String| serde_json::from_str::<Vec<serde_json::Value>>(batch).unwrap().len();
        assert_eq!(batches.iter().map(read).sum::<usize>(), 130);
        assert_ne!(load.batches(2), batches);
        assert_eq!((load.config().matches("team-").count(), load.config().matches("equal:").count()), (7, 3));
    }
}
