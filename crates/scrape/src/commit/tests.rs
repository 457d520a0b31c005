//! What one target's scrapes leave in storage, scrape by scrape.

mod histograms;

use std::path::PathBuf;

use proptest::prelude::*;
use wf_model::relabel::{Action, Rule, RuleSpec};
use wf_model::{NameScheme, is_stale_nan};

use super::*;
use crate::config::ScrapeLimits;
use crate::testing::{FakeSink, Stored};

/// One target and its storage; scrape `n` happens at time `1000 n`.
pub(super) struct Site {
    pub(super) sink: FakeSink,
    memory: TargetMemory,
    pub(super) settings: JobSettings,
    target: Labels,
    n: i64,
}

impl Site {
    pub(super) fn new(settings: JobSettings) -> Self {
        let target = Labels::from_pairs([("job", "j")]);
        Self { sink: FakeSink::default(), memory: TargetMemory::default(), settings, target, n: 0 }
    }

    fn plain() -> Self {
        Self::new(JobSettings::default())
    }

    pub(super) fn store(&mut self, page: Result<Page<'_>, ScrapeError>) -> ScrapeOutcome {
        self.n += 1;
        let ctx = ScrapeContext {
            target: &self.target,
            settings: &self.settings,
            sink: &self.sink,
            time_ms: 1000 * self.n,
            timeout: self.settings.timeout,
            elapsed: &|| Duration::from_millis(250),
        };
        self.memory.commit(&ctx, &mut Scratch::default(), page)
    }

    fn scrape(&mut self, page: &str) -> ScrapeOutcome {
        self.store(Ok(Page { body: page.as_bytes(), format: PageFormat::TEXT }))
    }

    fn fail(&mut self) -> ScrapeOutcome {
        self.store(Err(ScrapeError::Status(http::StatusCode::INTERNAL_SERVER_ERROR)))
    }

    #[track_caller]
    pub(super) fn check(&self, name: &str, want: &[&str]) {
        assert_eq!(self.sink.samples(name), want, "{name}");
    }
}

fn limits(limits: ScrapeLimits) -> JobSettings {
    JobSettings { limits, ..JobSettings::default() }
}

#[test]
fn samples_and_report_series_get_the_targets_labels_and_one_time() {
    let mut site = Site::plain();
    let outcome = site.scrape("# TYPE a gauge\na{x=\"1\"} 1.5\nb 2\n");
    assert!(outcome.error.is_none());
    site.check(r#"{__name__="a", job="j", x="1"}"#, &["1000=1.5"]);
    site.check(r#"{__name__="up", job="j"}"#, &["1000=1"]);
    site.check("scrape_duration_seconds", &["1000=0.25"]);
    site.check("scrape_samples_scraped", &["1000=2"]);
    site.check("scrape_samples_post_metric_relabeling", &["1000=2"]);
    site.check("scrape_series_added", &["1000=2"]);
    site.check("scrape_timeout_seconds", &[]);
}

/// Drops `drop_me`, cuts label `id` off, and gives what is called `old` the name `new`.
fn relabeling() -> Vec<Rule> {
    let name = || vec!["__name__".to_owned()];
    let specs = [
        RuleSpec {
            source_labels: name(),
            regex: "drop_me".into(),
            action: Action::Drop,
            ..RuleSpec::default()
        },
        RuleSpec { regex: "id".into(), action: Action::LabelDrop, ..RuleSpec::default() },
        RuleSpec {
            source_labels: name(),
            regex: "old(.*)".into(),
            target_label: "__name__".into(),
            replacement: "new$1".into(),
            ..RuleSpec::default()
        },
    ];
    specs.map(|spec| Rule::new(spec, NameScheme::Utf8).unwrap()).to_vec()
}

#[test]
fn series_are_relabeled_and_dropped_ones_are_scraped_but_not_kept() {
    let mut site = Site::new(JobSettings { metric_relabel: relabeling(), ..JobSettings::default() });
    for _ in 0..2 {
        let outcome = site.scrape("old_a{id=\"1\"} 1\ndrop_me 2\ndrop_me{x=\"y\"} 3\nb 4\n");
        assert!(outcome.error.is_none());
    }
    site.check(r#"{__name__="new_a", job="j"}"#, &["1000=1", "2000=1"]);
    site.check("old_a", &[]);
    site.check("drop_me", &[]);
    site.check("scrape_samples_scraped", &["1000=4", "2000=4"]);
    site.check("scrape_samples_post_metric_relabeling", &["1000=2", "2000=2"]);
    site.check("scrape_series_added", &["1000=2", "2000=0"]);
    // What was dropped leaves no marker; what was kept does.
    site.scrape("b 4\n");
    site.check("new_a", &["1000=1", "2000=1", "3000=stale"]);
}

#[test]
fn limits_hold_for_what_relabeling_leaves() {
    let mut settings = limits(ScrapeLimits { n_samples_max: 1, n_labels_max: 2, ..ScrapeLimits::default() });
    settings.metric_relabel = relabeling();
    let mut site = Site::new(settings.clone());
    assert!(site.scrape("drop_me{a=\"1\",b=\"2\"} 1\nold{id=\"1\"} 1\ndrop_me 2\n").error.is_none());
    let error = site.scrape("a 1\ndrop_me 1\nb 1\n").error.unwrap().to_string();
    assert_eq!(error, "sample limit exceeded (samples: 2, limit: 1)");
    settings.metric_relabel = vec![
        Rule::new(
            RuleSpec { regex: "__name__".into(), action: Action::LabelDrop, ..RuleSpec::default() },
            NameScheme::Utf8,
        )
        .unwrap(),
    ];
    let error = Site::new(settings).scrape("a 1\n").error.unwrap().to_string();
    assert!(error.contains("the series has no metric name"), "{error}");
}

#[test]
fn extra_report_series_come_on_request() {
    let mut settings = limits(ScrapeLimits { n_samples_max: 7, ..ScrapeLimits::default() });
    settings.extra_scrape_metrics = true;
    let mut site = Site::new(settings);
    site.scrape("a 1\n");
    site.store(Err(ScrapeError::BodyTooLarge { limit_bytes: 5 }));
    site.fail();
    site.check("scrape_timeout_seconds", &["1000=10", "2000=10", "3000=10"]);
    site.check("scrape_sample_limit", &["1000=7", "2000=7", "3000=7"]);
    site.check("scrape_body_size_bytes", &["1000=4", "2000=-1", "3000=0"]);
}

#[test]
fn a_repeated_page_resolves_nothing_and_builds_nothing() {
    let mut site = Site::plain();
    site.scrape("# HELP a x\na{x=\"1\"} 1\nb 2\n");
    let n_resolved = site.sink.n_resolved();
    for _ in 0..3 {
        site.scrape("# HELP a x\na{x=\"1\"} 3\nb 4\n");
    }
    assert_eq!(site.sink.n_resolved(), n_resolved);
    site.check("b", &["1000=2", "2000=4", "3000=4", "4000=4"]);
    site.check("scrape_series_added", &["1000=2", "2000=0", "3000=0", "4000=0"]);
}

#[test]
fn a_series_that_vanishes_goes_stale_once_and_is_new_when_it_returns() {
    let mut site = Site::plain();
    for page in ["a 1\nb 1\n", "a 2\n", "a 3\n", "b 4\na 4\n"] {
        site.scrape(page);
    }
    site.check("a", &["1000=1", "2000=2", "3000=3", "4000=4"]);
    site.check("b", &["1000=1", "2000=stale", "4000=4"]);
    site.check("scrape_series_added", &["1000=2", "2000=0", "3000=0", "4000=1"]);
}

#[test]
fn an_empty_page_succeeds_and_ends_all_series() {
    let mut site = Site::plain();
    site.scrape("a 1\n");
    site.scrape("");
    site.check("a", &["1000=1", "2000=stale"]);
    site.check("up", &["1000=1", "2000=1"]);
}

#[test]
fn a_scrape_that_fails_before_the_page_ends_all_series_once() {
    let mut site = Site::plain();
    site.scrape("a 1\nb 1\n");
    assert!(site.fail().error.is_some());
    site.fail();
    site.scrape("a 4\nb 4\n");
    site.check("a", &["1000=1", "2000=stale", "4000=4"]);
    site.check("up", &["1000=1", "2000=0", "3000=0", "4000=1"]);
    site.check("scrape_samples_scraped", &["1000=2", "2000=0", "3000=0", "4000=2"]);
    site.check("scrape_series_added", &["1000=2", "2000=0", "3000=0", "4000=0"]);
}

#[test]
fn a_scrape_that_fails_inside_the_page_stores_nothing_and_ends_only_what_it_did_not_reach() {
    let mut site = Site::plain();
    site.scrape("a 1\nb 1\nc 1\n");
    let outcome = site.scrape("a 2\nb 2\nBROKEN\n");
    let error = outcome.error.unwrap().to_string();
    assert_eq!(error, "line 3, column 7: expected a value after the series, found the end of the line");
    site.check("a", &["1000=1"]);
    site.check("c", &["1000=1", "2000=stale"]);
    site.check("up", &["1000=1", "2000=0"]);
    site.check("scrape_samples_scraped", &["1000=3", "2000=2"]);
    // What was reached is what the next scrape compares with.
    site.scrape("a 3\n");
    site.check("a", &["1000=1", "3000=3"]);
    site.check("b", &["1000=1", "3000=stale"]);
    site.check("c", &["1000=1", "2000=stale"]);
}

#[test]
fn a_page_over_the_sample_limit_is_counted_in_full_and_leaves_no_markers() {
    let mut site = Site::new(limits(ScrapeLimits { n_samples_max: 2, ..ScrapeLimits::default() }));
    site.scrape("a 1\nb 1\n");
    let outcome = site.scrape("a 2\nc 2\nb 2\nd 2\n");
    assert_eq!(outcome.error.unwrap().to_string(), "sample limit exceeded (samples: 4, limit: 2)");
    site.check("a", &["1000=1"]);
    site.check("b", &["1000=1"]);
    site.check("c", &[]);
    site.check("up", &["1000=1", "2000=0"]);
    site.check("scrape_samples_scraped", &["1000=2", "2000=4"]);
    site.check("scrape_samples_post_metric_relabeling", &["1000=2", "2000=4"]);
    site.scrape("a 3\n");
    site.check("b", &["1000=1", "3000=stale"]);
}

#[test]
fn own_timestamps_are_kept_and_their_series_never_go_stale() {
    let mut site = Site::plain();
    site.scrape("a 1 500\nb 1 700000\nc 1 601000\n");
    site.scrape("");
    site.check("a", &["500=1"]);
    site.check("b", &[]);
    site.check("c", &["601000=1"]);
    let mut site = Site::new(JobSettings { honor_timestamps: false, ..JobSettings::default() });
    site.scrape("a 1 500\n");
    site.scrape("");
    site.check("a", &["1000=1", "2000=stale"]);
    let mut site = Site::new(JobSettings { track_timestamps_staleness: true, ..JobSettings::default() });
    site.scrape("a 1 500\n");
    site.scrape("");
    site.check("a", &["500=1", "2000=stale"]);
}

#[test]
fn one_sample_beyond_the_window_for_late_ones_fails_the_scrape() {
    let mut site = Site::plain();
    site.sink.take_late_from(400);
    assert!(site.scrape("a 1 500\nb 1\nc 1\n").error.is_none());
    let outcome = site.scrape("b 2\na 2 399\nc 2\n");
    assert!(outcome.error.unwrap().to_string().starts_with("too old sample"));
    site.check("a", &["500=1"]);
    // What stood before it was accepted, and is not stored; what stands behind it was never read.
    site.check("b", &["1000=1"]);
    site.check("c", &["1000=1", "2000=stale"]);
    site.check("up", &["1000=1", "2000=0"]);
    site.check("scrape_samples_scraped", &["1000=3", "2000=2"]);
    site.check("scrape_samples_post_metric_relabeling", &["1000=3", "2000=1"]);
    let mut site = Site::new(JobSettings { honor_timestamps: false, ..JobSettings::default() });
    site.sink.take_late_from(400);
    assert!(site.scrape("a 1 399\n").error.is_none());
}

#[test]
fn doubtful_samples_are_counted_and_the_scrape_succeeds() {
    let mut site = Site::plain();
    let outcome =
        site.scrape("a 1\na 2\nb{x=\"1\",y=\"2\"} 1\nb{y=\"2\",x=\"1\"} 2\nc 1 999999999\nd 1 5\nd 2 6\n");
    assert!(outcome.error.is_none());
    let counts = outcome.counts;
    assert_eq!((counts.n_scraped, counts.n_kept), (7, 7));
    assert_eq!((counts.n_duplicate, counts.n_out_of_bounds, counts.n_out_of_order), (2, 1, 0));
    site.check("a", &["1000=1"]);
    site.check("b", &["1000=1"]);
    site.check("d", &["5=1", "6=2"]);
    let counts = site.scrape("d 1 4\n").counts;
    assert_eq!(counts.n_out_of_order, 1);
}

#[test]
fn one_series_under_two_texts_goes_stale_with_the_second() {
    let mut site = Site::plain();
    site.scrape("b{x=\"1\",y=\"2\"} 1\nb{y=\"2\",x=\"1\"} 1\n");
    site.scrape("b{y=\"2\",x=\"1\"} 2\n");
    site.scrape("");
    site.check("b", &["1000=1", "2000=2", "3000=stale"]);
}

#[test]
fn series_that_storage_forgot_are_resolved_again_in_the_same_scrape() {
    let mut site = Site::plain();
    let page = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n# TYPE g gauge\na 1\n";
    site.scrape(page);
    site.sink.forget_all();
    let outcome = site.scrape(page);
    assert!(outcome.error.is_none() && outcome.counts.n_refused == 0);
    site.check(r#"{__name__="h_bucket", job="j", le="1.0"}"#, &["2000=1"]);
    site.check("a", &["2000=1"]);
    site.check("up", &["2000=1"]);
    let n_resolved = site.sink.n_resolved();
    site.scrape(page);
    assert_eq!(site.sink.n_resolved(), n_resolved);
    site.check("scrape_series_added", &["2000=0", "3000=0"]);
}

#[test]
fn a_failed_scrape_stays_failed_when_storage_forgot_its_report_series() {
    let mut site = Site::plain();
    site.scrape("a 1\n");
    site.sink.forget_all();
    assert!(site.fail().error.is_some());
    site.check("up", &["2000=0"]);
}

#[test]
fn new_series_that_storage_refuses_do_not_harm_the_known_ones() {
    let mut site = Site::plain();
    site.scrape("a 1\n");
    site.sink.set_limit(Some(1));
    let outcome = site.scrape("a 2\nb 2\nc 2\n");
    assert!(outcome.error.is_none());
    assert_eq!(outcome.counts.n_refused, 2);
    assert!(outcome.refusal.unwrap().to_string().contains("--limit"));
    site.check("a", &["1000=1", "2000=2"]);
    site.check("b", &[]);
    site.sink.set_limit(None);
    assert!(site.scrape("a 3\nb 3\nc 3\n").refusal.is_none());
    site.check("b", &["3000=3"]);
}

#[test]
fn a_series_that_breaks_a_rule_fails_the_scrape_with_its_line() {
    let mut site = Site::new(limits(ScrapeLimits { n_labels_max: 2, ..ScrapeLimits::default() }));
    let outcome = site.scrape("a 1\n\nb{x=\"1\"} 1\n");
    let error = outcome.error.unwrap().to_string();
    assert_eq!(error, "line 3: label_limit exceeded (metric: b, number of labels: 3, limit: 2)");
    assert!(outcome.counts.is_label_limit_hit);
    site.check("a", &[]);
    let error = site.scrape("a{x=\"1\",x=\"2\"} 1").error.unwrap().to_string();
    assert_eq!(error, "line 1: label name \"x\" is not unique in a{x=\"1\",x=\"2\"}");
}

#[test]
fn a_type_that_changes_changes_the_series_below_it() {
    let mut site = Site::plain();
    site.scrape("# TYPE h untyped\nh_bucket{le=\"1\"} 1\n");
    site.scrape("# TYPE h histogram\nh_bucket{le=\"1\"} 2\n");
    site.check(r#"{__name__="h_bucket", job="j", le="1"}"#, &["1000=1", "2000=stale"]);
    site.check(r#"{__name__="h_bucket", job="j", le="1.0"}"#, &["2000=2"]);
}

#[test]
fn metadata_is_published_when_it_changes() {
    let mut site = Site::plain();
    let page = "# HELP a Help.\n# TYPE a counter\na 1\n";
    let metadata = site.scrape(page).metadata.unwrap();
    assert_eq!((&*metadata[0].name, metadata[0].metadata.help.as_str()), ("a", "Help."));
    assert!(site.scrape(page).metadata.is_none());
    let metadata = site.scrape("# HELP a Other.\n# TYPE a counter\na 1\n").metadata.unwrap();
    assert_eq!(metadata[0].metadata.help, "Other.");
}

#[test]
fn a_removed_target_ends_everything_it_wrote() {
    let mut site = Site::plain();
    site.scrape("a 1\nb 1 500\n");
    site.memory.commit_removal(&site.sink, 2000).unwrap();
    site.check("a", &["1000=1", "2000=stale"]);
    site.check("b", &["500=1"]);
    site.check("up", &["1000=1", "2000=stale"]);
    site.check("scrape_series_added", &["1000=2", "2000=stale"]);
}

#[test]
fn exemplars_go_to_storage_when_they_are_wanted() {
    let body = b"# TYPE a counter\na_total 1 # {trace_id=\"x\"} 0.5 1.5\nb 1 # {} 2\nc 1\n# EOF\n";
    let mut site = Site::plain();
    site.store(Ok(Page { body, format: PageFormat::OPEN_METRICS }));
    assert_eq!(site.sink.take_exemplars(), []);
    let mut site = Site::new(JobSettings { keeps_exemplars: true, ..JobSettings::default() });
    // Parsed in full the first time, by the slot the second time.
    for n in 1..=2 {
        assert!(site.store(Ok(Page { body, format: PageFormat::OPEN_METRICS })).error.is_none());
        let found = site.sink.take_exemplars();
        let found: Vec<_> = found.iter().map(|e| (e.labels.to_string(), e.time_ms, e.value)).collect();
        // One with a time is storage's to tell apart; one without is news once.
        let timed = (r#"{trace_id="x"}"#.to_owned(), 1500, 0.5);
        let want = if n == 1 { vec![timed, ("{}".to_owned(), 1000, 2.0)] } else { vec![timed] };
        assert_eq!(found, want);
    }
    let body = b"# TYPE a counter\na_total 1\nb 1 # {} 3\nc 1\n# EOF\n";
    site.store(Ok(Page { body, format: PageFormat::OPEN_METRICS }));
    let found: Vec<_> = site.sink.take_exemplars().iter().map(|e| (e.time_ms, e.value)).collect();
    assert_eq!(found, [(3000, 3.0)]);
}

#[test]
fn openmetrics_pages_need_their_end() {
    let mut site = Site::plain();
    let outcome = site.store(Ok(Page { body: b"a 1\n", format: PageFormat::OPEN_METRICS }));
    assert_eq!(outcome.error.unwrap().to_string(), "line 2, column 1: data does not end with # EOF");
    let outcome = site.store(Ok(Page { body: b"a 1 1.5\n# EOF\n", format: PageFormat::OPEN_METRICS }));
    assert!(outcome.error.is_none());
    site.check("a", &["1500=1"]);
}

#[test]
fn real_pages_are_known_in_full_when_they_repeat() {
    let root = std::env::var_os("WATCHFIRE_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let pages = [
        ("node-exporter/e2e-output.txt", PageFormat::TEXT),
        ("exposition/alltypes.237mfs.prom.txt", PageFormat::TEXT),
        ("exposition/alltypes.5mfs.om.txt", PageFormat::OPEN_METRICS),
    ];
    for (name, format) in pages {
        let Ok(body) = std::fs::read(root.join(name)) else {
            let is_required = std::env::var("WF_REQUIRE").is_ok_and(|list| list.contains("conformance"));
            assert!(!is_required, "{name} is missing");
            eprintln!("SKIPPED: conformance: {name} is missing");
            continue;
        };
        let mut site = Site::plain();
        let first = site.store(Ok(Page { body: &body, format }));
        assert!(first.error.is_none() && first.counts.n_added > 0, "{name}: {:?}", first.error);
        let n_resolved = site.sink.n_resolved();
        let second = site.store(Ok(Page { body: &body, format }));
        assert_eq!(second.counts, Counts { n_added: 0, ..first.counts }, "{name}");
        assert_eq!(site.sink.n_resolved(), n_resolved, "{name}");
    }
}

/// Samples of the last scrape, without report series and stale markers.
fn page_samples(sink: &FakeSink) -> Vec<Stored> {
    let is_report = |labels: &str| labels.contains("\"up\"") || labels.contains("\"scrape_");
    let mut samples = sink.take_log();
    samples.retain(|(labels, _, bits)| !is_report(labels) && !is_stale_nan(f64::from_bits(*bits)));
    samples.sort();
    samples
}

fn arb_line() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => ("[a-c]", 0..3_u8, 0..4_u8).prop_map(|(name, label, value)| format!("{name}{{l=\"{label}\"}} {value}")),
        2 => ("[a-c]", prop::option::of(0..5_u32)).prop_map(|(name, time)| match time {
            Some(time) => format!("{name} 1 {time}"),
            None => format!("{name} 1"),
        }),
        2 => Just("h_bucket{le=\"1\"} 5".to_owned()),
        1 => prop_oneof![Just("histogram"), Just("gauge"), Just("summary")].prop_map(|kind| format!("# TYPE h {kind}")),
        1 => "[a-b]".prop_map(|name| format!("# HELP {name} text")),
        1 => prop_oneof![Just(""), Just("# comment"), Just("  a 7"), Just("a {l=\"0\"} 2"), Just("a{l=\"1\"}2"), Just("x")]
            .prop_map(str::to_owned),
    ]
}

/// A page and small changes to it: most lines stay, as with real targets.
fn arb_pages() -> impl Strategy<Value = Vec<Vec<String>>> {
    let change = (any::<prop::sample::Index>(), arb_line(), 0..5_u8);
    let changes = prop::collection::vec(prop::collection::vec(change, 0..3), 1..6);
    (prop::collection::vec(arb_line(), 0..25), changes).prop_map(|(first, changes)| {
        let mut pages = vec![first];
        for changes in changes {
            let mut page = pages.last().unwrap().clone();
            for (at, line, action) in changes {
                let len = page.len();
                let at = at.index(len + 1);
                match action {
                    0 => page.insert(at, line),
                    1 => page.truncate(at),
                    2 => page.rotate_left(at),
                    _ if at < len => match action {
                        3 => page[at] = line,
                        _ => drop(page.remove(at)),
                    },
                    _ => page.push(line),
                }
            }
            pages.push(page);
        }
        pages
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever a target's pages look like one after another, remembering them changes nothing but the speed.
    #[test]
    fn slots_and_the_full_parser_agree(pages in arb_pages()) {
        let mut remembering = Site::plain();
        for lines in pages {
            let page = lines.join("\n");
            let cached = remembering.scrape(&page);
            let mut fresh = Site::plain();
            fresh.n = remembering.n - 1;
            let full = fresh.scrape(&page);
            prop_assert_eq!(cached.error.map(|e| e.to_string()), full.error.map(|e| e.to_string()));
            let counts = |counts: &Counts| (counts.n_scraped, counts.n_kept);
            prop_assert_eq!(counts(&cached.counts), counts(&full.counts));
            let want = page_samples(&fresh.sink);
            let got = page_samples(&remembering.sink);
            // Samples with old timestamps are out of order for a storage that has them already.
            let is_new = |stored: &&Stored| stored.1 == 1000 * remembering.n;
            prop_assert_eq!(got.iter().filter(is_new).collect::<Vec<_>>(), want.iter().filter(is_new).collect::<Vec<_>>());
        }
    }
}
