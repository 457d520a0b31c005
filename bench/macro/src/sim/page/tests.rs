//! Pages are what a scraper understands, the same in every run, and move as described.

use std::collections::BTreeSet;

use wf_exposition::{Entry, Format, Parser};

use super::*;

fn pages(spec: &str, n_rounds: u64) -> Vec<String> {
    let spec: Spec = spec.parse().unwrap();
    let mut page = Page::new(&spec, spec.profiles()[0], 0);
    let steps = (1..=n_rounds).map(|round| {
        page.step(round);
        String::from_utf8(page.bytes().to_vec()).unwrap()
    });
    steps.collect()
}

/// Parses a page; returns series, values and timestamps.
fn samples(page: &str, format: Format) -> Vec<(String, f64, Option<i64>)> {
    let mut parser = Parser::new(format, page.as_bytes());
    let mut found = Vec::new();
    loop {
        match parser.next_entry().unwrap() {
            Entry::Sample(sample) => {
                let series = String::from_utf8(sample.series.bytes().to_vec()).unwrap();
                found.push((series, sample.value, sample.timestamp_ms));
            }
            Entry::Eof => return found,
            _ => {}
        }
    }
}

#[test]
fn every_text_profile_parses_and_has_its_series() {
    for profile in Profile::ALL.into_iter().filter(|profile| *profile != Profile::Native) {
        let format = if profile == Profile::OpenMetrics { Format::OpenMetrics } else { Format::Text };
        let page = pages(&format!("{}=1", profile.name()), 2).pop().unwrap();
        let found = samples(&page, format);
        let series: BTreeSet<&String> = found.iter().map(|(series, ..)| series).collect();
        assert_eq!(series.len() as u64, profile.n_series(), "{}", profile.name());
        assert_eq!(found.len(), series.len(), "{}: a series twice", profile.name());
    }
}

#[test]
fn the_same_scrape_is_the_same_page() {
    assert_eq!(pages("cadvisor=1;churn=0.1/2", 6), pages("cadvisor=1;churn=0.1/2", 6));
    assert_ne!(pages("app=1;seed=1", 1), pages("app=1;seed=2", 1));
}

#[test]
fn about_half_of_the_values_stand_still() {
    let pages = pages("node=1", 2);
    let values =
        |page: &str| samples(page, Format::Text).into_iter().map(|(_, value, _)| value).collect::<Vec<_>>();
    let n_same = values(&pages[0]).iter().zip(&values(&pages[1])).filter(|(a, b)| a == b).count();
    assert!((450..550).contains(&n_same), "{n_same} of 1,100 stood still");
}

#[test]
fn the_simulated_clock_stamps_each_sample() {
    for (profile, format) in [("app", Format::Text), ("openmetrics", Format::OpenMetrics)] {
        let page = pages(&format!("{profile}=1;clock=1700000000123/15000"), 3).pop().unwrap();
        let times: BTreeSet<_> = samples(&page, format).into_iter().map(|(.., time)| time).collect();
        assert_eq!(times, BTreeSet::from([Some(1_700_000_030_123)]), "{profile}");
    }
}

#[test]
fn churn_replaces_series_of_some_pods_only() {
    let pages = pages("cadvisor=1;churn=0.1/3", 3);
    let series = |page: &str| {
        samples(page, Format::Text).into_iter().map(|(series, ..)| series).collect::<BTreeSet<_>>()
    };
    assert_eq!(series(&pages[0]), series(&pages[1]));
    let n_new = series(&pages[2]).difference(&series(&pages[1])).count();
    assert!(n_new > 0 && n_new.is_multiple_of(80) && n_new < 2_400, "{n_new} new series");
}

#[test]
fn buckets_stay_cumulative() {
    let page = pages("apiserver=1", 50).pop().unwrap();
    let found = samples(&page, Format::Text);
    for histogram in found.chunks(25) {
        let values: Vec<f64> = histogram.iter().map(|(_, value, _)| *value).collect();
        assert!(values[..23].is_sorted(), "{values:?}");
        assert_eq!(values[22], values[24], "+Inf is the count");
    }
}
