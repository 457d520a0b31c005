//! What is printed parses back, whatever the tree.

use proptest::prelude::*;

use super::pretty;
use crate::parser::{ParseOptions, fuzz_parse, parse};

#[track_caller]
fn prints(text: &str, want: &str) {
    let expr = parse(text, &ParseOptions::all()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(expr.to_string(), want);
    fuzz_parse(text.as_bytes());
}

#[test]
fn words_with_another_meaning_are_quoted() {
    prints(r#"{"bool"}"#, r#"{"bool"}"#);
    prints(r#"{"nan", a="1"}"#, r#"{"nan",a="1"}"#);
    prints(r#"sum by ("without", sum) (x)"#, r#"sum by ("without", sum) (x)"#);
    prints("by offset 5m", "by offset 5m");
    prints(r#"label_replace(x, "a", "\xff", "b", "")"#, r#"label_replace(x, "a", "\xff", "b", "")"#);
}

#[test]
fn what_fits_a_line_stays_on_one() {
    let check = |text: &str, want: &str| {
        assert_eq!(pretty(&parse(text, &ParseOptions::all()).unwrap()), want);
    };
    check("sum(rate(x[5m]))  by (a)", "sum by (a) (rate(x[5m]))");
    let long = "long_metric_name_number_one_total{job=\"something\"}";
    check(
        &format!("sum by (a) (rate({long}[5m])) / on (a) group_left () max(rate({long}[5m]))"),
        &format!("  sum by (a) (rate({long}[5m]))\n/ on (a) group_left ()\n  max(rate({long}[5m]))"),
    );
    check(
        &format!("histogram_quantile(0.9, sum by (le, instance, more) (rate({long}[5m])))"),
        &format!("histogram_quantile(\n  0.9,\n  sum by (le, instance, more) (rate({long}[5m]))\n)"),
    );
}

fn any_duration() -> impl Strategy<Value = String> {
    prop_oneof![
        "[1-9][smhd]",
        "[1-9]h[1-9]m",
        "[1-9][0-9]{0,2}",
        Just("step()*2+1s".into()),
        Just("max_of(1m, range() + 1s)".into())
    ]
}

fn any_selector() -> impl Strategy<Value = String> {
    let name = prop_oneof!["[a-z:_]{1,4}", Just("sum".into()), Just("offset".into()), Just("fill".into())];
    let matcher = prop_oneof![Just("a=\"b\\n\""), Just("a!~'x|y'"), Just("\"ü b\"!='1'"), Just("b=~`.+`")];
    let modifier = prop_oneof![
        Just(String::new()),
        any_duration().prop_map(|duration| format!(" offset ({duration})")),
        Just(" @ 1.5 smoothed".into()),
        Just(" @ end() offset -3m".into()),
    ];
    (name, prop::collection::vec(matcher, 0..3), modifier)
        .prop_map(|(name, matchers, modifier)| format!("{name}{{{}}}{modifier}", matchers.join(", ")))
}

fn any_vector() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![any_selector(), Just("vector(-1e-3)".into()), Just("rate(x[5m] offset 1h)".into())];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let op = prop_oneof![
            Just("+"),
            Just("- on (a, \"b c\") group_left ()"),
            Just("== bool ignoring (x)"),
            Just("and"),
            Just("^"),
            Just("% fill_left(1) fill_right (-2)"),
            Just("atan2"),
            Just("unless on ()"),
            Just("</"),
            Just("* 2 /"),
        ];
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            inner.clone().prop_map(|inner| format!("-{inner}")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.clone().prop_map(|inner| format!("topk without (a) (scalar({inner}), {inner})")),
            inner.clone().prop_map(|inner| format!("count_values(\"v\", {inner})")),
            (inner, any_duration())
                .prop_map(|(inner, duration)| format!("last_over_time(({inner})[{duration}:] @ start())")),
        ]
    })
}

proptest! {
    #[test]
    fn printed_queries_parse_to_the_same_text(text in any_vector()) {
        fuzz_parse(text.as_bytes());
    }
}

/// Changes some bytes of real queries; a small generator makes every run alike.
#[test]
fn mutated_queries_neither_panic_nor_change_in_print() {
    let seeds = [
        "sum by (a, b) (rate(http_requests_total{job=~\"a|b\", x!=\"y\"}[5m] offset 1h)) / on (a) group_left (c) foo @ 1.5",
        "histogram_quantile(0.9, sum without (le) (x[1h:5m] @ end() offset -5m)) >bool -1e3",
        "a anchored + fill_left(-1) b[step() * 2 + min_of(1m, 5)] # comment\n or {\"utf8 name\", l='\\u00e9\\x41'}",
    ];
    let alphabet = "(){}[]\"'`,:@=~!<>+-*/%^ \n#0123456789.eExmsa_\\é".chars().collect::<Vec<char>>();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    for round in 0..5_000 {
        let mut chars: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..=random(4) {
            let at = random(chars.len());
            match random(3) {
                0 => chars[at] = alphabet[random(alphabet.len())],
                1 => chars.insert(at, alphabet[random(alphabet.len())]),
                _ => {
                    chars.remove(at);
                }
            }
        }
        fuzz_parse(chars.into_iter().collect::<String>().as_bytes());
    }
}
