//! The two text grammars as tables, properties and conformance pages.

use std::fmt::Write;
use std::path::PathBuf;

use proptest::prelude::*;
use wf_model::sample::NORMAL_NAN_BITS;
use wf_model::{Labels, LabelsBuilder};

use super::*;
use crate::family::{Bucket, Metric, MetricFamily, MetricValue};

/// Writes every entry as one line, the last one being the error if there is one.
fn read(format: Format, page: &[u8]) -> Vec<String> {
    let mut parser = Parser::new(format, page);
    let mut lines = Vec::new();
    loop {
        match parser.next_entry() {
            Ok(Entry::Eof) => return lines,
            Ok(entry) => lines.push(show(&entry)),
            Err(error) => {
                lines.push(format!("ERROR {error}"));
                return lines;
            }
        }
    }
}

fn show(entry: &Entry<'_>) -> String {
    match entry {
        Entry::Sample(sample) => {
            let mut line = format!("{} {:?}", show_labels(&sample.series), sample.value);
            if let Some(time) = sample.timestamp_ms {
                write!(line, " @{time}").unwrap();
            }
            if let Some(exemplar) = &sample.exemplar {
                write!(line, " # {} {:?}", show_labels(&exemplar.labels), exemplar.value).unwrap();
                if let Some(time) = exemplar.timestamp_ms {
                    write!(line, " @{time}").unwrap();
                }
            }
            line
        }
        Entry::Help(name, help) => format!("HELP {name} {help:?}"),
        Entry::Type(name, kind) => format!("TYPE {name} {}", kind.as_str()),
        Entry::Unit(name, unit) => format!("UNIT {name} {unit}"),
        Entry::Comment => "COMMENT".to_owned(),
        Entry::Eof => "EOF".to_owned(),
    }
}

fn show_labels(series: &SeriesText<'_>) -> String {
    let labels: Vec<String> = series.labels().map(|(name, value)| format!("{name}={value:?}")).collect();
    labels.join(",")
}

fn check_text(page: &str, want: &[&str]) {
    assert_eq!(read(Format::Text, page.as_bytes()), want, "{page}");
}

fn check_om(page: &str, want: &[&str]) {
    assert_eq!(read(Format::OpenMetrics, page.as_bytes()), want, "{page}");
}

#[test]
fn text_samples_read_with_blanks_anywhere() {
    check_text("a 1\n", &["__name__=\"a\" 1.0"]);
    check_text("a 1", &["__name__=\"a\" 1.0"]);
    check_text("  a{} 1.5e3\t123 \n\n \t\nb 2", &["__name__=\"a\" 1500.0 @123", "__name__=\"b\" 2.0"]);
    check_text("a { b = \"c\" , d=\"e\" , } 1\n", &["__name__=\"a\",b=\"c\",d=\"e\" 1.0"]);
    check_text("a{b=\"c\" d=\"e\"}1\n", &["__name__=\"a\",b=\"c\",d=\"e\" 1.0"]);
    check_text(
        "a:b_1 +Inf\na -inf\na nan",
        &["__name__=\"a:b_1\" inf", "__name__=\"a\" -inf", "__name__=\"a\" NaN"],
    );
    check_text("a{b=\"x\ny\"} 1", &["__name__=\"a\",b=\"x\\ny\" 1.0"]);
    check_text("null_byte{a=\"abc\0\"} 1", &["__name__=\"null_byte\",a=\"abc\\0\" 1.0"]);
    check_text("a{b=\"\"} 0", &["__name__=\"a\",b=\"\" 0.0"]);
    check_text("", &[]);
}

#[test]
fn labels_escapes_resolve_and_unknown_ones_stay() {
    check_text(r#"a{b="\"\\\n\t"} 1"#, &[r#"__name__="a",b="\"\\\n\\t" 1.0"#]);
    check_text(r#"a{b="c:\\x"} 1"#, &[r#"__name__="a",b="c:\\x" 1.0"#]);
}

#[test]
fn quoted_names_stand_inside_the_braces() {
    check_text(r#"{"my.metric",label="v"} 1"#, &[r#"__name__="my.metric",label="v" 1.0"#]);
    check_text(r#"{label="v","my.metric"} 1"#, &[r#"label="v",__name__="my.metric" 1.0"#]);
    check_text(r#"{"온도"} 1"#, &[r#"__name__="온도" 1.0"#]);
    check_text(r#"a{"l.1"="v"} 1"#, &[r#"__name__="a",l.1="v" 1.0"#]);
    check_text(r#"{__name__="a", b="c"} 1"#, &[r#"__name__="a",b="c" 1.0"#]);
    check_om("{\"my.metric\",l=\"v\"} 1\n# EOF\n", &[r#"__name__="my.metric",l="v" 1.0"#]);
    let second =
        "ERROR line 1, column 2: metric name already set: a quoted name without `=` names the metric, once";
    check_text(r#"a{"b"} 1"#, &[second]);
    check_text(r#"{b="c"} 1"#, &["ERROR line 1, column 1: the series has no metric name"]);
    check_text("{} 1", &["ERROR line 1, column 1: the series has no metric name"]);
}

#[test]
fn text_declarations_and_comments_are_told_apart() {
    check_text("# HELP a  some \\\\ \\n \\\" text\n", &["HELP a \" some \\\\ \\n \\\\\\\" text\""]);
    check_text("# HELP a\n# HELP b \n", &["HELP a \"\"", "HELP b \"\""]);
    check_text("#\t TYPE \"a.b\"  counter \n", &["TYPE a.b counter"]);
    check_text("#HELP a b\n# HELPa b\n#\n# free\n# EOF\n# TYPE", &["COMMENT"; 6]);
    check_text("# TYPE a untyped\n", &["TYPE a unknown"]);
    check_text("# TYPE a info\n", &["ERROR line 1, column 10: invalid metric type \"info\""]);
    check_text("# TYPE a", &["ERROR line 1, column 9: invalid metric type \"\""]);
    check_text("# TYPE 1 gauge", &["ERROR line 1, column 8: expected a metric name, found \"1 gauge\""]);
}

#[test]
fn bounds_and_quantiles_are_spelled_one_way() {
    let page = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+inf\"} 1\nh_bucket{le=\"0.50\"} 1\n";
    let want = ["1.0", "+Inf", "0.5"].map(|le| format!("__name__=\"h_bucket\",le=\"{le}\" 1.0"));
    assert_eq!(read(Format::Text, page.as_bytes())[1..], want);
    let page = "# TYPE s summary\ns{quantile=\"1\",le=\"1\"} 1\n# TYPE g gauge\ng{quantile=\"1\"} 1\n# EOF\n";
    let want =
        ["__name__=\"s\",quantile=\"1.0\",le=\"1\" 1.0", "TYPE g gauge", "__name__=\"g\",quantile=\"1\" 1.0"];
    assert_eq!(read(Format::OpenMetrics, page.as_bytes())[1..], want);
    check_text("a{le=\"1\"} 1", &["__name__=\"a\",le=\"1\" 1.0"]);
    let page = "# TYPE h histogram\nh_bucket{le=\"10000000\"} 1\nh_bucket{le=\"x\"} 1";
    assert_eq!(
        read(Format::Text, page.as_bytes())[1..],
        ["__name__=\"h_bucket\",le=\"1e+07\" 1.0", "__name__=\"h_bucket\",le=\"x\" 1.0"]
    );
}

#[test]
fn text_errors_name_the_place_and_what_was_expected() {
    let check = |page: &str, want: &str| {
        assert_eq!(
            read(Format::Text, page.as_bytes()).pop().unwrap(),
            format!("ERROR line {want}"),
            "{page}"
        );
    };
    check("a 1\nb\n", "2, column 2: expected a value after the series, found the end of the line");
    check("a", "1, column 2: expected a value after the series, found the end of the page");
    check("a 1 2 3", "1, column 7: expected the end of the line, found \"3\"");
    check("a 1\r\n", "1, column 3: value \"1\\r\": invalid syntax");
    check("a 0x1p4", "1, column 3: value \"0x1p4\": invalid syntax");
    check("a 1_0", "1, column 3: value \"1_0\": invalid syntax");
    check("a 1e999", "1, column 3: value \"1e999\": value out of range");
    check(
        "a 1 -5",
        "1, column 5: expected a timestamp in whole milliseconds or the end of the line, found \"-5\"",
    );
    check("a 1 99999999999999999999", "1, column 5: timestamp \"99999999999999999999\": value out of range");
    check("a{b} 1", "1, column 4: expected `=` after the label name, found \"} 1\"");
    check("a{b=c} 1", "1, column 5: expected a label value in double quotes, found \"c} 1\"");
    check("a{b=\"c", "1, column 5: expected a text that ends in a double quote, found \"\\\"c\"");
    check("a{,} 1", "1, column 3: expected a label name or `}`, found \",} 1\"");
    check("a{b=\"c\",,} 1", "1, column 9: expected a label name or `}`, found \",} 1\"");
    check(
        "a{\"\"=\"c\"} 1",
        "1, column 3: expected a name that is not empty, found \"\\\"\\\"=\\\"c\\\"} 1\"",
    );
    check("<html>", "1, column 1: expected a metric name, found \"<html>\"");
    let bad_utf8 =
        [b"a{b=\"\xff\"} 1".as_slice(), b"{\"\xff\"} 1", b"# HELP a \xff\n", b"# TYPE \"\xff\" gauge\n"];
    for (page, what) in bad_utf8.iter().zip(["label value", "name", "help text", "metric name"]) {
        assert!(
            read(Format::Text, page).pop().unwrap().ends_with(&format!("{what} is not valid UTF-8")),
            "{page:?}"
        );
    }
}

#[test]
fn a_nan_is_canonical() {
    let mut parser = Parser::new(Format::Text, b"a NAN\n");
    let Ok(Entry::Sample(sample)) = parser.next_entry() else { panic!("a sample") };
    assert_eq!(sample.value.to_bits(), NORMAL_NAN_BITS);
}

#[test]
fn openmetrics_reads_what_text_has_not() {
    check_om(
        "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds x \\\"y\\\"\na_seconds_total 1 2.5\n# EOF\n",
        &[
            "TYPE a_seconds counter",
            "UNIT a_seconds seconds",
            "HELP a_seconds \"x \\\"y\\\"\"",
            "__name__=\"a_seconds_total\" 1.0 @2500",
        ],
    );
    check_om(
        "# TYPE a gaugehistogram\n# TYPE b info\n# TYPE c stateset\n# TYPE d unknown\n# EOF",
        &["TYPE a gaugehistogram", "TYPE b info", "TYPE c stateset", "TYPE d unknown"],
    );
    check_om(
        "a 1 # {t=\"x\"} 0.5\nb 1 2 # {} 3 4.0005\n# EOF\n",
        &["__name__=\"a\" 1.0 # t=\"x\" 0.5", "__name__=\"b\" 1.0 @2000 #  3.0 @4000"],
    );
    check_om("a{b=\"c\",} 1 -1.5\n# UNIT a \n# EOF\n", &["__name__=\"a\",b=\"c\" 1.0 @-1500", "UNIT a "]);
}

#[test]
fn openmetrics_errors_name_the_place_and_what_was_expected() {
    let check = |page: &str, want: &str| {
        assert_eq!(
            read(Format::OpenMetrics, page.as_bytes()).pop().unwrap(),
            format!("ERROR line {want}"),
            "{page}"
        );
    };
    check("", "1, column 1: data does not end with # EOF");
    check("a 1\n", "2, column 1: data does not end with # EOF");
    check("a 1", "1, column 4: data does not end with # EOF");
    check("# EOF\n\n", "2, column 1: unexpected data after # EOF");
    check("# EOF\na 1\n", "2, column 1: unexpected data after # EOF");
    check("\n# EOF\n", "1, column 1: expected a metric name, found the end of the line");
    check("# free\n", "1, column 1: expected `# HELP`, `# TYPE`, `# UNIT` or `# EOF`, found \"# free\"");
    check(
        "#  TYPE a gauge\n",
        "1, column 1: expected `# HELP`, `# TYPE`, `# UNIT` or `# EOF`, found \"#  TYPE a gauge\"",
    );
    check("# TYPE a  gauge\n", "1, column 10: invalid metric type \" gauge\"");
    check("# TYPE a untyped\n", "1, column 10: invalid metric type \"untyped\"");
    check("# HELP a\n", "1, column 9: expected one space and a text, found the end of the line");
    check("# UNIT a_s seconds\n", "1, column 12: unit \"seconds\" is not a suffix of metric \"a_s\"");
    check(
        "# UNIT aseconds seconds\n",
        "1, column 17: unit \"seconds\" is not a suffix of metric \"aseconds\"",
    );
    check("a  1\n", "1, column 2: expected one space and a value, found \"  1\"");
    check("a\t1\n", "1, column 2: expected one space and a value, found \"\\t1\"");
    check("a {b=\"c\"} 1\n", "1, column 3: value \"{b=\\\"c\\\"}\": invalid syntax");
    check(
        "a{b=\"c\" d=\"e\"} 1\n",
        "1, column 8: expected `,` or `}` after the label value, found \" d=\\\"e\\\"} 1\"",
    );
    check("a{ b=\"c\"} 1\n", "1, column 3: expected a label name or `}`, found \" b=\\\"c\\\"} 1\"");
    check("a{b=\"c\nd\"} 1\n", "1, column 5: expected a text that ends in a double quote, found \"\\\"c\"");
    check("a 1 NaN\n", "1, column 5: timestamp \"NaN\": value out of range");
    check("a 1 2 3\n", "1, column 6: expected the end of the line, found \" 3\"");
    check("a 1 # 2\n", "1, column 4: expected the end of the line, found \" # 2\"");
    check(
        "a 1 # {b=\"c\"}\n",
        "1, column 14: expected one space and an exemplar value, found the end of the line",
    );
    check(
        "a 1 # {\"b\"} 1\n",
        "1, column 7: metric name already set: a quoted name without `=` names the metric, once",
    );
}

#[test]
fn known_series_take_the_short_way_only_where_it_is_the_same() {
    let known =
        |format, page: &str, len| Parser::new(format, page.as_bytes()).known_sample(len).map(|s| s.value);
    assert_eq!(known(Format::Text, "a{b=\"c\"} 1.5\n", 8), Some(1.5));
    assert_eq!(known(Format::Text, "a{b=\"c\"} 1.5", 8), Some(1.5));
    assert_eq!(known(Format::Text, "a{b=\"c\"} 1.5 123\n", 8), Some(1.5));
    assert_eq!(known(Format::OpenMetrics, "a 1 # {t=\"x\"} 0.5\n", 1), Some(1.0));
    assert_eq!(known(Format::Text, "a {b=\"c\"} 1\n", 1), None);
    assert_eq!(known(Format::Text, "a{b=\"c\"}1\n", 8), None);
    assert_eq!(known(Format::OpenMetrics, "a 1", 1), None);
    assert_eq!(known(Format::Text, "a x\n", 1), None);
    assert_eq!(known(Format::Text, "a", 1), None);
    assert_eq!(known(Format::Text, "a", 5), None);
}

fn conformance_page(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("WATCHFIRE_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    match std::fs::read(root.join(name)) {
        Ok(page) => Some(page),
        Err(error) => {
            let is_required = std::env::var("WF_REQUIRE").is_ok_and(|list| list.contains("conformance"));
            assert!(!is_required, "{name}: {error}");
            eprintln!("SKIPPED: conformance: {name}: {error}");
            None
        }
    }
}

#[test]
fn conformance_pages_read_to_the_end() {
    let check = |name: &str, format| {
        let Some(page) = conformance_page(name) else { return };
        let page = String::from_utf8(page).unwrap();
        let entries = read(format, page.as_bytes());
        assert!(
            entries.last().is_none_or(|entry| !entry.starts_with("ERROR")),
            "{name}: {:?}",
            entries.last()
        );
        let count = |lines: &[&str], prefix| lines.iter().filter(|line| line.starts_with(prefix)).count();
        let lines: Vec<&str> = page.lines().filter(|line| !line.is_empty()).collect();
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        assert_eq!(count(&entries, "TYPE "), count(&lines, "# TYPE "), "{name}");
        assert_eq!(count(&entries, "__name__="), lines.len() - count(&lines, "#"), "{name}");
    };
    check("exposition/alltypes.237mfs.prom.txt", Format::Text);
    check("exposition/alltypes.237mfs.nometa.prom.txt", Format::Text);
    check("exposition/alltypes.5mfs.om.txt", Format::OpenMetrics);
    check("exposition/1histogram.om.txt", Format::OpenMetrics);
    check("exposition/metrics-test.prom", Format::Text);
    check("exposition/dump-openmetrics-test.prom", Format::OpenMetrics);
    check("exposition/dump-test-1.prom", Format::Text);
    check("node-exporter/e2e-output.txt", Format::Text);
}

/// A small generator with a fixed seed: the same mutations on every machine.
struct Mutations(u64);

impl Mutations {
    fn next(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    fn mutate(&mut self, page: &mut Vec<u8>) {
        const TOKENS: [&[u8]; 12] =
            [b"\"", b"\\", b"\n", b"{", b"}", b"=", b",", b" ", b"# EOF\n", b"# TYPE a ", b"\xff", b" # {"];
        for _ in 0..=self.next(4) {
            let at = self.next(page.len() + 1);
            let end = (at + self.next(8)).min(page.len());
            let token = TOKENS[self.next(TOKENS.len())].to_vec();
            match self.next(3) {
                0 => drop(page.drain(at..end)),
                1 => drop(page.splice(at..at, token)),
                _ => drop(page.splice(at..end, token)),
            }
        }
    }
}

#[test]
fn mutated_pages_never_break_the_parser() {
    const SEEDS: [&str; 4] = [
        "# HELP a x\\n\n# TYPE a histogram\na_bucket{le=\"1\",b=\"\\\"\"} 1 123\na_sum NaN\n# EOF\n",
        "# TYPE a_s counter\n# UNIT a_s s\na_s_total{x=\"y\",} 1e3 1.5 # {t=\"z\"} 1 2\n# EOF\n",
        "{\"my.metric\",\"l.1\"=\"v\"} 1\n  b { c = \"d\" } +Inf\n\n#x\n",
        "a 1\nb 2\nc{d=\"e\"} 3",
    ];
    let mut mutations = Mutations(7);
    for round in 0..20_000 {
        let mut page = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
        mutations.mutate(&mut page);
        crate::fuzz::parse_page(&page);
    }
}

fn arb_family() -> impl Strategy<Value = MetricFamily> {
    let labels = prop::collection::btree_map("[a-z_][a-z0-9_]{0,5}", "\\PC*|[\"\\\\\n]*", 0..4);
    let value = prop_oneof![
        any::<f64>().prop_map(MetricValue::Number),
        (prop::collection::btree_set(-1000..1000_i32, 0..4), any::<f64>(), any::<u64>()).prop_map(
            |(bounds, sum, count)| {
                let bucket = |bound| Bucket { upper_bound: f64::from(bound) / 4.0, cumulative_count: 1 };
                MetricValue::Histogram { buckets: bounds.into_iter().map(bucket).collect(), sum, count }
            }
        ),
    ];
    let time = prop::option::of(0..i64::MAX);
    ("[a-z:_][a-z0-9:_]{0,8}", "\\PC*|[\"\\\\\n]*", labels, value, time).prop_map(
        |(name, help, labels, value, time)| {
            let kind = match value {
                MetricValue::Number(_) => MetricType::Gauge,
                _ => MetricType::Histogram,
            };
            let labels = labels.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
            let mut family = MetricFamily::new(name, help, kind);
            family.metrics.push(Metric { labels, value, timestamp_ms: time });
            family
        },
    )
}

/// The samples a family stands for: labels, value bits, time.
fn samples_of(family: &MetricFamily) -> Vec<(Labels, u64, Option<i64>)> {
    let mut samples = Vec::new();
    for metric in &family.metrics {
        let mut add = |suffix: &str, le: Option<String>, value: f64| {
            let mut labels = LabelsBuilder::default();
            labels.set("__name__", &format!("{}{suffix}", family.name));
            for (name, value) in &metric.labels {
                labels.set(name, value);
            }
            if let Some(le) = le {
                labels.set("le", &le);
            }
            let bits = if value.is_nan() { NORMAL_NAN_BITS } else { value.to_bits() };
            samples.push((labels.build(), bits, metric.timestamp_ms));
        };
        match &metric.value {
            MetricValue::Number(value) => add("", None, *value),
            MetricValue::Histogram { buckets, sum, count } => {
                for bucket in buckets {
                    add("_bucket", Some(format!("{:?}", bucket.upper_bound)), bucket.cumulative_count as f64);
                }
                add("_bucket", Some("+Inf".to_owned()), *count as f64);
                add("_sum", None, *sum);
                add("_count", None, *count as f64);
            }
            MetricValue::Summary { .. } => unreachable!("not generated"),
        }
    }
    samples
}

proptest! {
    /// What we write, we read back: samples, help and type.
    #[test]
    fn a_written_page_reads_back(families in prop::collection::vec(arb_family(), 0..4)) {
        let mut page = String::new();
        crate::text::write_page(&mut page, &families);
        let mut parser = Parser::new(Format::Text, page.as_bytes());
        for family in &families {
            prop_assert_eq!(parser.next_entry(), Ok(Entry::Help((&*family.name).into(), (&*family.help).into())));
            prop_assert_eq!(parser.next_entry(), Ok(Entry::Type((&*family.name).into(), family.kind)));
            for want in samples_of(family) {
                let Ok(Entry::Sample(sample)) = parser.next_entry() else { panic!("a sample in {page}") };
                let labels = Labels::from_pairs(sample.series.labels());
                prop_assert_eq!((labels, sample.value.to_bits(), sample.timestamp_ms), want);
            }
        }
        prop_assert_eq!(parser.next_entry(), Ok(Entry::Eof));
    }
}
