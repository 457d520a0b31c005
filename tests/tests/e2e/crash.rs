//! Kill -9 under load, with a ledger: every sample that a query returned is there afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wf_e2e::process::PATIENCE;
use wf_e2e::skip::binary;
use wf_e2e::target::Target;
use wf_e2e::{figure, http};

use crate::setup::Site;

/// Series of the target: enough that a batch spans many pages of the log.
const N_SERIES: usize = 500;

/// Samples by (series, time): the value, all as answered.
type Ledger = BTreeMap<(String, String), String>;

#[test]
fn kill_nine_loses_nothing_that_a_query_returned() {
    let Some(binary) = binary() else { return };
    let target = Target::page(|number| {
        let line = |series: usize| format!("load{{series=\"{series}\"}} {}\n", number * 1000 + series as u64);
        (0..N_SERIES).map(line).collect()
    });
    let target = target.unwrap();
    let site = Site::new();
    site.configure("50ms", &[("load", target.address.to_string())]);
    let n_rounds = if std::env::var_os("WF_SOAK").is_some() { 100 } else { 10 };
    let (mut ledger, mut seed) = (Ledger::new(), 0x9e37_79b9_7f4a_7c15_u64);
    for round in 0..n_rounds {
        let server = site.server(&binary);
        check(&server.base, &ledger, round);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let lifetime = Duration::from_millis(300 + (seed >> 33) % 1500);
        let (started, n_before) = (Instant::now(), ledger.len());
        // However slow the machine is, it has taken something in when it is killed.
        while started.elapsed() < lifetime
            || (ledger.len() < n_before + N_SERIES && started.elapsed() < PATIENCE)
        {
            record(&server.base, &mut ledger);
        }
        assert!(ledger.len() >= n_before + N_SERIES, "round {round} took nothing in\n{}", server.log_text());
        server.kill();
    }
    let server = site.server(&binary);
    check(&server.base, &ledger, n_rounds);
    figure("kill -9 rounds", n_rounds);
    figure("acknowledged samples checked after the kills", ledger.len());
    assert!(ledger.len() >= N_SERIES * n_rounds, "the ledger saw {} samples only", ledger.len());
}

/// Asks for the newest samples of every series and notes them with their own time.
fn record(base: &str, ledger: &mut Ledger) {
    for series in http::query(base, "load[2s]", None).unwrap_or_default() {
        note(&series, ledger);
    }
}

fn note(series: &serde_json::Value, ledger: &mut Ledger) {
    let name = series["metric"]["series"].as_str().unwrap_or("").to_owned();
    for sample in series["values"].as_array().into_iter().flatten() {
        // The API prints a time always alike: its text is a key without rounding.
        ledger.insert((name.clone(), sample[0].to_string()), sample[1].as_str().unwrap_or("").to_owned());
    }
}

fn check(base: &str, ledger: &Ledger, round: usize) {
    if ledger.is_empty() {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let mut found = Ledger::new();
    for series in http::query(base, "load[1h]", Some(now + 1.0)).unwrap() {
        note(&series, &mut found);
    }
    let missing: Vec<_> =
        ledger.iter().filter(|(key, value)| found.get(*key) != Some(*value)).take(5).collect();
    assert!(
        missing.is_empty(),
        "round {round}: of {} acknowledged samples these are gone: {missing:?}",
        ledger.len()
    );
}
