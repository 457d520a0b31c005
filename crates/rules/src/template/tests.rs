//! Cases of the specification.

use super::*;

fn expand_with(text: &str, value: f64) -> Result<String, String> {
    let query = |expr: &str| match expr {
        "metric" => Ok(vec![
            (Labels::from_pairs([("instance", "b"), ("__value__", "text")]), 21.0),
            (Labels::from_pairs([("instance", "a")]), 11.0),
        ]),
        "none" => Ok(Vec::new()),
        other => Err(format!("cannot evaluate {other}")),
    };
    let functions = RuleFunctions { query: &query, external_url: "http://example.org/prom/", now_ms: 1_500 };
    let labels = Labels::from_pairs([("instance", "foo.example.com:12345"), ("job", "node")]);
    let external = [("region".to_owned(), "eu".to_owned())];
    let subject = Subject { labels: &labels, value, histogram: None, external_labels: &external };
    AlertText::new("Down", text).expand(subject, &functions)
}

#[test]
fn texts_expand_as_in_the_original() {
    for (text, want) in [
        ("plain {text}", "plain {text}"),
        ("{{ $labels.instance }} {{ .Labels.job }} {{ $labels.none }}", "foo.example.com:12345 node "),
        ("{{ $value }} {{ .Value | printf \"%.2f\" }}", "1.234567e+06 1234567.00"),
        (
            "{{ $externalLabels.region }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
            "eu http://example.org/prom/ http://example.org/prom/ /prom",
        ),
        (
            "{{ humanize $value }} {{ humanize1024 $value }} {{ $value | humanizeDuration }}",
            "1.235M 1.177Mi 14d 6h 56m 7s",
        ),
        ("{{ 0.25 | humanizePercentage }} {{ \"0.5\" | humanizePercentage }}", "25% 50%"),
        ("{{ 1435065584.128 | humanizeTimestamp }}", "2015-06-23 13:19:44.128 +0000 UTC"),
        (
            "{{ (1435065584.128 | toTime).Year }} {{ 90 | toDuration }} {{ parseDuration \"-1h30m\" }}",
            "2015 1m30s -5400",
        ),
        ("{{ query \"metric\" | first | value }}", "21"),
        ("{{ query \"metric\" | first | strvalue }}", "text"),
        (
            "{{ range query \"metric\" | sortByLabel \"instance\" }}{{ .Labels.instance }}={{ .Value }} {{ end }}",
            "a=11 b=21 ",
        ),
        ("{{ query \"metric\" | first | label \"instance\" }}", "b"),
        ("{{ title \"aa bB cc\" }} {{ toUpper \"aa\" }} {{ toLower \"AA\" }}", "Aa BB Cc AA aa"),
        ("{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }}", "foo.example.com foo:12345"),
        (
            "{{ stripPort \"[2001:db8::1]:80\" }} {{ stripDomain \"192.168.0.1:80\" }} {{ stripPort \"x\" }}",
            "2001:db8::1 192.168.0.1:80 x",
        ),
        ("{{ match \"a+\" \"baa\" }} {{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}", "true xa"),
        ("{{ graphLink \"up == 0\" }}", "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"),
        ("{{ with args 1 \"b\" }}{{ .arg0 }}{{ .arg1 }}{{ end }}", "1b"),
        ("{{ now }}", "1.5"),
        ("{{ urlQueryEscape \"a b\" }}{{ safeHtml \"<\" }}", "a+b<"),
    ] {
        assert_eq!(expand_with(text, 1_234_567.0).as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn failures_are_told_in_the_words_of_the_original() {
    for (text, want) in [
        ("{{ query \"none\" | first }}", "error calling first: first() called on vector with no elements"),
        ("{{ query \"bad(\" }}", "error calling query: cannot evaluate bad("),
        ("{{ \"x\" | humanize }}", "strconv.ParseFloat: parsing \"x\": invalid syntax"),
        ("{{ .Nope }", "error parsing template __alert_Down: template: __alert_Down:1: unexpected"),
        ("{{ 1e300 | humanizeTimestamp }}", "overflows int64"),
    ] {
        let error = expand_with(text, 1.0).unwrap_err();
        assert!(error.contains(want), "{text}\n{error}");
    }
}
