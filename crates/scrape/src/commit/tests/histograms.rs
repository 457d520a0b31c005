//! What native and classic histograms, start timestamps and metadata leave in storage.

use wf_exposition::protobuf::encode::Message;
use wf_series::HistogramValue;

use super::*;
use crate::config::{HistogramSettings, StartTimes};

fn page_of(families: &[Message]) -> Vec<u8> {
    let mut page = Vec::new();
    for family in families {
        family.write_delimited(&mut page);
    }
    page
}

fn bucket(count: u64, bound: f64) -> Message {
    Message::new().varint(1, count).double(2, bound)
}

/// A histogram `h{a="1"}` with its classic form, its native one, or both.
fn histogram_page(is_classic: bool, is_native: bool) -> Vec<u8> {
    let mut histogram = Message::new().varint(1, 6).double(2, 9.0);
    if is_classic {
        histogram = histogram.message(3, &bucket(2, 0.5)).message(3, &bucket(6, f64::INFINITY));
    }
    if is_native {
        let span = Message::new().sint(1, 1).varint(2, 2);
        histogram =
            histogram.sint(5, 1).double(6, 0.001).varint(7, 1).message(12, &span).packed_sints(13, &[2, 1]);
    }
    let metric = Message::new().label("a", "1").message(7, &histogram);
    page_of(&[Message::new().bytes(1, "h").varint(3, 4).message(4, &metric)])
}

fn store_protobuf(site: &mut Site, body: &[u8]) -> ScrapeOutcome {
    site.store(Ok(Page { body, format: PageFormat::Protobuf }))
}

const CLASSIC: [&str; 4] = [
    r#"{__name__="h_bucket", a="1", job="j", le="+Inf"}"#,
    r#"{__name__="h_bucket", a="1", job="j", le="0.5"}"#,
    r#"{__name__="h_count", a="1", job="j"}"#,
    r#"{__name__="h_sum", a="1", job="j"}"#,
];

/// Which forms storage got: classic series, and the schema of the native one.
fn forms(settings: HistogramSettings, body: &[u8]) -> (usize, Option<i32>) {
    let mut site = Site::new(JobSettings { histograms: settings, ..JobSettings::default() });
    let outcome = store_protobuf(&mut site, body);
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    let n_classic = CLASSIC.iter().filter(|name| !site.sink.samples(name).is_empty()).count();
    let native = site.sink.take_histograms();
    assert!(native.len() <= 1, "one native histogram at most");
    let schema = native.first().map(|(labels, _, _, value)| {
        assert_eq!(labels, r#"{__name__="h", a="1", job="j"}"#);
        value.to_float().schema
    });
    (n_classic, schema)
}

#[test]
fn the_settings_decide_which_forms_of_a_histogram_are_stored() {
    let settings = |takes_native, converts_classic, keeps_classic| HistogramSettings {
        takes_native,
        converts_classic,
        keeps_classic,
        ..HistogramSettings::default()
    };
    let (none, native) = (settings(false, false, false), settings(true, false, false));
    let (custom, all) = (settings(false, true, false), settings(true, true, true));
    let only_classic = histogram_page(true, false);
    assert_eq!(forms(none, &only_classic), (4, None));
    assert_eq!(forms(native, &only_classic), (4, None));
    assert_eq!(forms(custom, &only_classic), (0, Some(-53)));
    assert_eq!(forms(all, &only_classic), (4, Some(-53)));
    let only_native = histogram_page(false, true);
    assert_eq!(forms(none, &only_native), (3, None), "only +Inf");
    assert_eq!(forms(native, &only_native), (0, Some(1)));
    assert_eq!(forms(all, &only_native), (0, Some(1)));
    let both = histogram_page(true, true);
    assert_eq!(forms(none, &both), (4, None));
    assert_eq!(forms(native, &both), (0, Some(1)));
    assert_eq!(forms(custom, &both), (0, Some(-53)));
    assert_eq!(forms(all, &both), (4, Some(1)));
}

fn takes_native() -> JobSettings {
    let histograms = HistogramSettings { takes_native: true, ..HistogramSettings::default() };
    JobSettings { histograms, ..JobSettings::default() }
}

#[test]
fn a_native_histogram_counts_once_repeats_from_its_slot_and_goes_stale() {
    let mut site = Site::new(takes_native());
    let body = histogram_page(false, true);
    let outcome = store_protobuf(&mut site, &body);
    assert_eq!((outcome.counts.n_scraped, outcome.counts.n_kept, outcome.counts.n_added), (1, 1, 1));
    let n_resolved = site.sink.n_resolved();
    let outcome = store_protobuf(&mut site, &body);
    assert_eq!((outcome.counts.n_added, site.sink.n_resolved()), (0, n_resolved));
    let stored = site.sink.take_histograms();
    assert_eq!(stored.iter().map(|(_, time, ..)| *time).collect::<Vec<_>>(), [1000, 2000]);
    let HistogramValue::Integer(value) = &stored[1].3 else { panic!("integer counts") };
    assert_eq!((value.count, value.sum, value.zero_count), (6, 9.0, 1));
    site.check("h", &[]);
    store_protobuf(&mut site, b"");
    // Storage turns the marker into one of a histogram.
    site.check("h", &["3000=stale"]);
}

#[test]
fn histograms_of_series_that_storage_forgot_are_stored_again() {
    let mut site = Site::new(takes_native());
    let body = [
        histogram_page(true, true),
        page_of(&[Message::new()
            .bytes(1, "my.gauge")
            .varint(3, 1)
            .message(4, &Message::new().message(2, &Message::new().double(1, 5.0)))]),
    ]
    .concat();
    store_protobuf(&mut site, &body);
    site.sink.forget_all();
    site.sink.take_histograms();
    let outcome = store_protobuf(&mut site, &body);
    assert_eq!(outcome.counts.n_refused, 0);
    assert_eq!(site.sink.take_histograms().len(), 1);
    site.check(r#"{__name__="my.gauge", job="j"}"#, &["2000=5"]);
}

#[test]
fn a_histogram_that_contradicts_itself_fails_the_scrape() {
    let span = Message::new().sint(1, 1).varint(2, 2);
    let histogram = Message::new().varint(1, 6).message(12, &span).packed_sints(13, &[2]);
    let metric = Message::new().message(7, &histogram);
    let body = page_of(&[Message::new().bytes(1, "h").varint(3, 4).message(4, &metric)]);
    let mut site = Site::new(takes_native());
    let error = store_protobuf(&mut site, &body).error.unwrap().to_string();
    assert_eq!(error, "metric family h: histogram has 1 positive buckets, but its spans cover 2");
    site.check("up", &["1000=0"]);
}

#[test]
fn too_many_buckets_fail_the_scrape_after_the_page_is_counted() {
    let mut settings = takes_native();
    settings.histograms.n_buckets_max = 1;
    settings.histograms.converts_classic = true;
    let mut site = Site::new(settings);
    // Custom buckets cannot be joined.
    let body = [histogram_page(true, false), histogram_page(false, false)].concat();
    let outcome = store_protobuf(&mut site, &body);
    let error = outcome.error.unwrap().to_string();
    assert_eq!(error, "histogram bucket limit exceeded (buckets: 2, native_histogram_bucket_limit: 1)");
    assert_eq!(outcome.counts.n_scraped, 4);
    assert!(site.sink.take_histograms().is_empty());
}

#[test]
fn classic_histograms_of_text_pages_become_native_ones() {
    let histograms = HistogramSettings { converts_classic: true, ..HistogramSettings::default() };
    let mut site = Site::new(JobSettings { histograms, keeps_exemplars: true, ..JobSettings::default() });
    let page = concat!(
        "# TYPE h histogram\n",
        "h_bucket{a=\"1\",le=\"1\"} 2\nh_bucket{a=\"1\",le=\"2\"} 3 # {t=\"x\"} 1.5 1.25\nh_bucket{a=\"1\",le=\"+Inf\"} 4\n",
        "h_sum{a=\"1\"} 7\nh_count{a=\"1\"} 4\n",
        "h_bucket{a=\"2\",le=\"+Inf\"} 1\nh_sum{a=\"2\"} 9\nh_count{a=\"2\"} 1\n",
        "# TYPE g gauge\ng{le=\"1\"} 5\n# EOF\n",
    );
    let outcome = site.store(Ok(Page { body: page.as_bytes(), format: PageFormat::OPEN_METRICS }));
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    assert_eq!((outcome.counts.n_scraped, outcome.counts.n_added), (3, 3));
    let stored = site.sink.take_histograms();
    let shown: Vec<_> = stored
        .iter()
        .map(|(labels, _, _, value)| {
            let value = value.to_float();
            (
                labels.as_str(),
                value.count,
                value.sum,
                value.custom_values.clone(),
                value.positive_buckets.clone(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (r#"{__name__="h", a="1", job="j"}"#, 4.0, 7.0, vec![1.0, 2.0], vec![2.0, 1.0, 1.0]),
            (r#"{__name__="h", a="2", job="j"}"#, 1.0, 9.0, vec![], vec![1.0]),
        ]
    );
    assert_eq!(site.sink.take_exemplars()[0].time_ms, 1250);
    site.check("h_sum", &[]);
    site.check("g", &["1000=5"]);
    site.settings.histograms.keeps_classic = true;
    site.store(Ok(Page { body: page.as_bytes(), format: PageFormat::OPEN_METRICS }));
    assert_eq!(site.sink.take_histograms().len(), 2);
    site.check(r#"{__name__="h_sum", a="1", job="j"}"#, &["2000=7"]);
}

const CREATED: &str = concat!(
    "# TYPE c counter\nc_total{a=\"1\"} 5\nc_created{a=\"1\"} 0.5\n",
    "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 2\ns_sum 3\ns_created 0.25\n",
    "# TYPE g gauge\ng_created 7\n# EOF\n",
);

#[test]
fn created_lines_are_series_unless_start_timestamps_are_wanted() {
    let mut site = Site::new(JobSettings::default());
    site.store(Ok(Page { body: CREATED.as_bytes(), format: PageFormat::OPEN_METRICS }));
    site.check("c_created", &["1000=0.5"]);
    let start_times = StartTimes { inject_zero: true, ..StartTimes::default() };
    let mut site = Site::new(JobSettings { start_times, ..JobSettings::default() });
    for _ in 0..2 {
        let outcome = site.store(Ok(Page { body: CREATED.as_bytes(), format: PageFormat::OPEN_METRICS }));
        assert!(outcome.error.is_none());
        assert_eq!((outcome.counts.n_scraped, outcome.counts.n_out_of_order), (5, 0));
    }
    site.check("c_created", &[]);
    site.check("g_created", &["1000=7", "2000=7"]);
    site.check("c_total", &["500=0", "1000=5", "2000=5"]);
    site.check("s_count", &["250=0", "1000=2", "2000=2"]);
}

#[test]
fn start_timestamps_are_stored_with_samples_when_wanted() {
    let start_times = StartTimes { store: true, ..StartTimes::default() };
    let histograms = HistogramSettings { takes_native: true, ..HistogramSettings::default() };
    let mut site = Site::new(JobSettings { start_times, histograms, ..JobSettings::default() });
    site.store(Ok(Page { body: CREATED.as_bytes(), format: PageFormat::OPEN_METRICS }));
    let starts = site.sink.take_starts();
    assert_eq!(starts[0], (r#"{__name__="c_total", a="1", job="j"}"#.to_owned(), 1000, 500));
    assert_eq!(starts.iter().map(|(.., start)| *start).collect::<Vec<_>>(), [500, 250, 250, 250]);
    let span = Message::new().sint(1, 1).varint(2, 1);
    let started = Message::new().varint(1, 1).varint(2, 500_000_000);
    let histogram =
        Message::new().varint(1, 2).message(12, &span).packed_sints(13, &[2]).message(15, &started);
    let family = Message::new().bytes(1, "h").varint(3, 4).message(4, &Message::new().message(7, &histogram));
    store_protobuf(&mut site, &page_of(&[family]));
    let (_, time, start, _) = site.sink.take_histograms().remove(0);
    assert_eq!((time, start), (2000, 1500));
}

#[test]
fn starts_are_made_up_for_counters_that_tell_none() {
    let start_times = StartTimes { store: true, synthesise: true, ..StartTimes::default() };
    let mut site = Site::new(JobSettings { start_times, ..JobSettings::default() });
    let page = |n: u32| {
        let summary = format!("# TYPE s summary\ns{{quantile=\"0.5\"}} {n}\ns_count {n}\n");
        format!("# TYPE c counter\nc {n}\n{summary}# TYPE g gauge\ng {n}\nuntyped {n}\n")
    };
    for n in [10, 14, 3] {
        let outcome = site.store(Ok(Page { body: page(n).as_bytes(), format: PageFormat::TEXT }));
        assert!(outcome.error.is_none());
        assert_eq!(outcome.counts.n_kept, 5);
    }
    site.check("c", &["2000=4", "3000=3"]);
    site.check("s_count", &["2000=4", "3000=3"]);
    site.check("g", &["1000=10", "2000=14", "3000=3"]);
    site.check("untyped", &["1000=10", "2000=14", "3000=3"]);
    let starts = site.sink.take_starts();
    let of_counter = starts.iter().filter(|(labels, ..)| labels.contains("\"c\""));
    assert_eq!(of_counter.map(|(_, _, start)| *start).collect::<Vec<_>>(), [1000, 2999]);
    // What the target tells goes before.
    let mut site = Site::new(JobSettings { start_times, ..JobSettings::default() });
    site.store(Ok(Page { body: CREATED.as_bytes(), format: PageFormat::OPEN_METRICS }));
    site.check("c_total", &["1000=5"]);
    let mut site = Site::new(JobSettings { start_times, ..JobSettings::default() });
    let counter = |value| {
        let metric = Message::new().message(3, &Message::new().double(1, value));
        Message::new().bytes(1, "c_total").varint(3, 0).message(4, &metric)
    };
    for value in [10.0, 12.0] {
        store_protobuf(&mut site, &page_of(&[counter(value)]));
    }
    site.check("c_total", &["2000=2"]);
}

#[test]
fn declarations_reach_storage_once_for_each_series_and_change() {
    let mut site = Site::new(JobSettings { keeps_metadata: true, ..JobSettings::default() });
    let page = |help: &str| format!("# HELP a {help}\n# TYPE a counter\na{{x=\"1\"}} 1\na{{x=\"2\"}} 1\n");
    let mut told = |page: &str| {
        site.store(Ok(Page { body: page.as_bytes(), format: PageFormat::TEXT }));
        site.sink.take_metadata()
    };
    assert_eq!(told(&page("One.")).len(), 2);
    assert_eq!(told(&page("One.")).len(), 0);
    assert_eq!(told(&page("Two."))[1], r#"{__name__="a", job="j", x="2"} counter "Two." """#);
    assert_eq!(told("# HELP a Two.\n# TYPE a counter\na{x=\"3\"} 1\n").len(), 1);
}

#[test]
fn exemplars_of_native_histograms_need_a_time() {
    let exemplar = |id: &str| Message::new().label("id", id).double(2, 0.5);
    let timed = exemplar("a").message(3, &Message::new().varint(1, 3));
    let span = Message::new().sint(1, 1).varint(2, 1);
    let histogram = Message::new().varint(1, 2).message(12, &span).packed_sints(13, &[2]);
    let histogram = histogram.message(16, &timed).message(16, &exemplar("b"));
    let family = Message::new().bytes(1, "h").varint(3, 4).message(4, &Message::new().message(7, &histogram));
    let mut site = Site::new(JobSettings { keeps_exemplars: true, ..takes_native() });
    store_protobuf(&mut site, &page_of(&[family]));
    let exemplars = site.sink.take_exemplars();
    assert_eq!(
        exemplars.iter().map(|e| (e.labels.to_string(), e.time_ms)).collect::<Vec<_>>(),
        [(r#"{id="a"}"#.to_owned(), 3000)]
    );
}

#[test]
fn types_and_units_are_labels_when_wanted() {
    let histograms =
        HistogramSettings { converts_classic: true, takes_native: true, ..HistogramSettings::default() };
    let mut site =
        Site::new(JobSettings { type_and_unit_labels: true, histograms, ..JobSettings::default() });
    let page = |kind: &str| {
        format!(
            "# TYPE a_s counter\n# UNIT a_s s\na_s_total{{__type__=\"x\"}} 1\n# HELP b x\n# TYPE b {kind}\nb 2\n\
             # TYPE h_s histogram\n# UNIT h_s s\nh_s_bucket{{le=\"+Inf\"}} 1\nh_s_count 1\nh_s_sum 1\n# HELP u x\n# TYPE u unknown\nu 3\n# EOF\n"
        )
    };
    let mut store = |kind: &str| {
        let outcome = site.store(Ok(Page { body: page(kind).as_bytes(), format: PageFormat::OPEN_METRICS }));
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        outcome.counts.n_added
    };
    assert_eq!(store("gauge"), 4);
    assert_eq!(store("gauge"), 0, "a page that repeats is known");
    assert_eq!(store("counter"), 1, "another type is another series");
    let samples = |labels: &str| site.sink.samples(&format!("{{{labels}, job=\"j\"}}")).len();
    assert_eq!(samples(r#"__name__="a_s_total", __type__="counter", __unit__="s""#), 3);
    let gauge = site.sink.samples(r#"{__name__="b", __type__="gauge", job="j"}"#);
    assert!(gauge.len() == 3 && gauge[2].ends_with("stale"), "{gauge:?}");
    assert_eq!(samples(r#"__name__="b", __type__="counter""#), 1);
    assert_eq!(samples(r#"__name__="u""#), 3);
    let native = site.sink.take_histograms();
    assert_eq!(native[0].0, r#"{__name__="h_s", __type__="histogram", __unit__="s", job="j"}"#);
    let gauge = Message::new().message(4, &Message::new().message(2, &Message::new().double(1, 5.0)));
    let family = |name: &str, kind: u64| gauge.clone().bytes(1, name).varint(3, kind).bytes(5, "s");
    let body = page_of(&[family("p_s", 1), family("q_s", 3)]);
    store_protobuf(&mut site, &body);
    assert_eq!(site.sink.samples(r#"{__name__="p_s", __type__="gauge", __unit__="s", job="j"}"#).len(), 1);
}
