//! The specification's grammar, statement by statement: `spec/prometheus-query.md` §1.1 to §1.4.

use super::super::*;
use super::{print, refuse};

#[track_caller]
fn same(text: &str, want: &str) {
    assert_eq!(print(text), want, "{text}");
}

/// Checks that a text is refused with an error that contains `what`.
#[track_caller]
fn refused(text: &str, what: &str) {
    let error = parse(text, &ParseOptions::all()).map(|expr| expr.to_string()).expect_err(text);
    assert!(error.message.contains(what), "{text}: {error}");
}

#[test]
fn words_keep_their_case_or_not() {
    same("SUM(x) Or MAX wIthout (a) (y OFFSET 5m)", "sum(x) or max without (a) (y offset 5m)");
}

#[test]
fn lexical_rules() {
    same("foo # comment { \n + \t\r\nbar{ # inside\n a='b' # again\n}", "foo + bar{a=\"b\"}");
    same(
        "0x1F + 0X_1f + 1_000 + .5 + 5. + 1e3 + 1E-2 + 0755",
        "31 + 31 + 1000 + 0.5 + 5 + 1000 + 0.01 + 493",
    );
    same("inf + +INF - nAn", "+Inf + +Inf - NaN");
    same(r#"x{a="\a\b\f\n\r\t\v\\\"\101\x41\u00e9\U0001F525'"}"#, r#"x{a="\a\b\f\n\r\t\v\\\"AAé🔥'"}"#);
    same("x{a=`raw\\n\nline`}", r#"x{a="raw\\n\nline"}"#);
    for text in ["1__0", "1_", "0x", "1.2.3", "1e", "1.5h", "0x5h", "1h1h", "1m1h", "1h_", "x[Infd]"] {
        assert!(parse(text, &ParseOptions::all()).is_err(), "{text}");
    }
    for text in [r#""\ud800""#, r#""\U00110000""#, r#""\400""#, "\"a\nb\"", "'\\\"'", "`open"] {
        assert!(parse(text, &ParseOptions::all()).is_err(), "{text}");
    }
    refused("ä", "unexpected character: 'ä'");
    same("1y2w3d4h5m6s7ms + 90061", "382d4h5m6s7ms + 90061");
    same("foo[300] offset 0.5 @ 1h", "foo[5m] @ 3600.000 offset 500ms");
    refused("foo[300y]", "duration out of range");
    refused("foo[1e10]", "duration out of range");
    refused("foo offset 1e10", "duration out of range");
    refused("foo[-1m]", "duration must be greater than 0");
    refused("foo[5m:0]", "duration must be greater than 0");
    refused("foo[0.0004]", "duration must be at least 1ms");
    same("foo offset 0", "foo");
}

#[test]
fn words_are_names_where_they_may_be() {
    let words = "and or unless sum avg count min max group stddev stdvar topk bottomk quantile count_values limitk \
                 limit_ratio offset smoothed anchored by without fill fill_left fill_right start end step range \
                 max_of min_of rate";
    for word in words.split_whitespace() {
        same(word, word);
        same(&format!("{word}{{a=\"b\"}} + {word}"), &format!("{word}{{a=\"b\"}} + {word}"));
    }
    for word in "bool on ignoring group_left group_right atan2".split_whitespace() {
        let shown = if word == "atan2" { "op:atan2" } else { word };
        refused(word, &format!("unexpected <{shown}>"));
        same(&format!("{{\"{word}\"}}"), &format!("{{\"{word}\"}}"));
    }
    let labels =
        "and or unless atan2 sum offset by on ignoring group_left group_right fill bool start step a:b";
    for word in labels.split_whitespace() {
        same(&format!("sum by ({word},) (x)"), &format!("sum by ({word}) (x)"));
        same(&format!("x + on ({word}) y"), &format!("x + on ({word}) y"));
    }
    for word in ["without", "inf", "nan", "WITHOUT"] {
        refused(&format!("sum by ({word}) (x)"), "in grouping opts, expected label");
    }
    for word in ["bool", "on", "inf", "nan", "without", "sum"] {
        same(&format!("x{{{word}=\"1\",}}"), &format!("x{{{word}=\"1\"}}"));
    }
    same("sum without (\"utf 8\", b) (x)", "sum without (\"utf 8\", b) (x)");
    same("x + ignoring () group_left (a,) y", "x + ignoring () group_left (a) y");
    refused("rate(x[5m],)", "trailing commas not allowed in function call args");
    refused("sum(x,)", "trailing commas not allowed in function call args");
    same(
        "start() + end() + step() + range() + max_of(1, 2) + min_of(1, 2)",
        "start() + end() + step() + range() + max_of(1, 2) + min_of(1, 2)",
    );
}

#[test]
fn selectors_name_a_metric_once_and_select_something() {
    same(r#"{"utf8.name", a="b"}"#, r#"{"utf8.name",a="b"}"#);
    same(r#"{"x", "quoted label"!~"v.*"}"#, r#"x{"quoted label"!~"v.*"}"#);
    for text in [
        r#"a{__name__!="b"}"#,
        r#"a{"b"}"#,
        r#"{"a","b"}"#,
        r#"{__name__="a","b"}"#,
        r#"{"a",__name__=~"b"}"#,
    ] {
        refused(text, "metric name must not be set twice");
    }
    same(r#"{__name__=~"a.*",__name__!="ab"}"#, r#"{__name__!="ab",__name__=~"a.*"}"#);
    for text in [
        "{}",
        "{a=\"\"}",
        "{a=~\".*\"}",
        "{a!=\"x\"}",
        "topk(1, {})",
        "rate({}[5m])",
        "histogram_quantile(1, {a=\"\"})",
    ] {
        refused(text, "vector selector must contain at least one non-empty matcher");
    }
    same("info(x, {})", "info(x, {})");
    same("info(x, {a=~\".*\"})", "info(x, {a=~\".*\"})");
    refused("info(x, y)", "expected label selectors only");
    refused("info({}, {a=\"b\"})", "at least one non-empty matcher");
    refused("x{a=~\"(\"}", "error parsing regexp: missing closing ): ");
    refused("x{a=b}", "unexpected identifier \"b\" in label matching, expected string");
    refused("x{a}", "unexpected \"}\" in label matching, expected label matching operator");
}

#[test]
fn ranges_and_subqueries_follow_what_they_may() {
    refused("(foo)[5m]", "ranges only allowed for vector selectors");
    refused("foo @ 5 [5m]", "no @ modifiers allowed before range");
    refused("foo offset 5m [5m]", "no offset modifiers allowed before range");
    refused("foo[5m][5m]", "ranges only allowed for vector selectors");
    refused("foo[5m][5m:]", "subquery is only allowed on instant vector, got range vector instead");
    refused("1[5m:]", "subquery is only allowed on instant vector, got scalar instead");
    same("(foo offset 5m)[5m:] offset 5m @ end()", "(foo offset 5m)[5m:] @ end() offset 5m");
    same("foo offset 0 offset 5m", "foo offset 5m");
    refused("foo @ 1 @ 2", "@ <timestamp> may not be set multiple times");
    refused(
        "sum(foo) offset 5m",
        "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
    );
    refused(
        "sum(foo) @ 5",
        "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
    );
    for text in ["foo @ Inf", "foo @ -inf", "foo @ NaN", "foo @ 1e300", "foo @ 9223372036854775"] {
        refused(text, "timestamp out of bounds for @ modifier");
    }
    same("foo @ -1.5", "foo @ -1.500");
    refused("foo @ (1+1)", "unexpected \"(\" in @, expected timestamp");
}

#[test]
fn durations_can_be_computed() {
    same("foo[step() * 2 ^ 2 % 3 - -1m + (1 / range())]", "foo[step() * 2 ^ 2 % 3 - -1m + (1 / range())]");
    same("foo[MAX_OF(5m, min_of(step(), 1)):2 * step()]", "foo[max_of(5m, min_of(step(), 1)):2 * step()]");
    for offset in ["step()", "-range()", "max_of(1m, step())", "(1m + step())", "-(1m + 2)"] {
        same(&format!("foo offset {offset}"), &format!("foo offset {offset}"));
    }
    // Compound without parentheses: the operator is the expression's.
    same("foo offset 1m + 2", "foo offset 1m + 2");
    same("foo offset -2^2", "foo offset -2s ^ 2");
    refused("foo[5m / 0]", "division by zero");
    refused("foo[5m % 0]", "modulo by zero");
    refused("foo[x]", "expected number, duration, step(), or range()");
}

#[test]
fn extended_ranges_go_where_they_mean_something() {
    same("rate(x[5m] anchored @ 5 offset 1m)", "rate(x[5m] anchored @ 5.000 offset 1m)");
    same("x smoothed offset 1m", "x smoothed offset 1m");
    refused("x anchored", "anchored modifier not allowed here");
    refused("sum(x) smoothed", "smoothed modifier not allowed here");
    refused("x[5m:] anchored", "anchored modifier not allowed here");
    refused("x[5m] anchored smoothed", "anchored and smoothed modifiers cannot be combined");
}

#[test]
fn operators_check_their_operands() {
    refused("1 unless 2", "set operator \"unless\" not allowed in binary scalar expression");
    refused("x and on (a) fill (1) y", "filling in missing series not allowed for set operators");
    refused("x and group_left y", "unexpected <group_left>");
    refused("x + on (a) group_left (a) y", "label \"a\" must not occur in ON and GROUP clause at once");
    same("x + ignoring (a) group_left (a) y", "x + ignoring (a) group_left (a) y");
    refused("x + on (a) 1", "vector matching only allowed between instant vectors");
    refused("1 + fill (0) x", "vector matching only allowed between instant vectors");
    refused("x[5m] + 1", "binary expression must contain only scalar and instant vector types");
    refused(
        "-x[5m]",
        "unary expression only allowed on expressions of type scalar or instant vector, got \"range vector\"",
    );
    refused("x and bool y", "bool modifier can only be used on comparison operators");
    refused("1 < 2", "comparisons between scalars must use BOOL modifier");
    same("x + fill_right (1) fill_left (-5m) y", "x + fill_left (-300) fill_right (1) y");
    same("x </ 5 >/ 3", "x </ 5 >/ 3");
}

/// Syntax comes first, wherever the types are wrong.
#[test]
fn a_wrong_type_is_told_only_of_right_syntax() {
    refuse("rate(x) + )", "1:12: parse error: unexpected right parenthesis ')'");
    refuse("sum(1) + sum(", "1:14: parse error: unclosed left parenthesis");
}

#[test]
fn calls_count_their_arguments() {
    refused("time(1)", "expected 0 argument(s) in call to \"time\", got 1");
    refused("round()", "expected at least 1 argument(s) in call to \"round\", got 0");
    refused("hour(x, y)", "expected at most 1 argument(s) in call to \"hour\", got 2");
    refused("label_join(x, \"a\")", "expected at least 3 argument(s) in call to \"label_join\", got 2");
    refused(
        "histogram_quantiles(x, \"q\")",
        "expected at least 3 argument(s) in call to \"histogram_quantiles\", got 2",
    );
    let eleven = ", 0.5".repeat(11);
    refused(
        &format!("histogram_quantiles(x, \"q\"{eleven})"),
        "expected at most 12 argument(s) in call to \"histogram_quantiles\", got 13",
    );
    refused("count_values(5, x)", "expected type string in aggregation parameter, got scalar");
    refused("topk(x, y)", "expected type scalar in aggregation parameter, got instant vector");
    refused("sum()", "no arguments for aggregate expression provided");
    refused("Rate(x[5m])", "unknown function with name \"Rate\"");
    refused("holt_winters(x[5m], 1, 1)", "unknown function with name \"holt_winters\"");
    same("topk(scalar(foo), x)", "topk(scalar(foo), x)");
}

/// Every experimental function and aggregation, and what it says without its flag.
#[test]
fn experiments_say_which_flag_they_need() {
    let off = |text: &str| parse(text, &ParseOptions::default()).expect_err(text).to_string();
    let experimental = [
        "double_exponential_smoothing",
        "end",
        "histogram_quantiles",
        "info",
        "mad_over_time",
        "max_of",
        "min_of",
        "range",
        "sort_by_label",
        "sort_by_label_desc",
        "start",
        "start_timestamp",
        "step",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "ts_of_max_over_time",
        "ts_of_min_over_time",
    ];
    let marked: Vec<&str> = crate::functions::FUNCTIONS
        .iter()
        .filter(|function| function.experimental)
        .map(|function| function.name)
        .collect();
    assert_eq!(marked, experimental);
    for name in experimental {
        assert_eq!(
            off(&format!("{name}(x)")),
            format!("1:1: parse error: function \"{name}\" is not enabled")
        );
    }
    for name in ["limitk", "limit_ratio"] {
        assert!(off(&format!("{name}(1, x)")).contains("--enable-feature=promql-experimental-functions"));
    }
    assert!(off("x + fill (1) y").contains("binop fill modifiers are experimental and not enabled"));
    assert!(off("x smoothed").contains("anchored and smoothed modifiers are experimental and not enabled"));
    // On in any server.
    assert!(parse("x[step() * 2] offset (1m + 5)", &ParseOptions::default()).is_ok());
}

/// Every function of the specification is there, with its types.
#[test]
fn the_table_of_functions_is_complete() {
    let names = "abs ceil floor exp sqrt ln log2 log10 sgn deg rad sin cos tan asin acos atan sinh cosh tanh asinh acosh \
        atanh round clamp clamp_min clamp_max absent absent_over_time present_over_time scalar vector time pi timestamp \
        start_timestamp start end step range max_of min_of minute hour day_of_week day_of_month day_of_year days_in_month \
        month year label_replace label_join sort sort_desc sort_by_label sort_by_label_desc rate increase delta irate idelta \
        resets changes deriv predict_linear double_exponential_smoothing sum_over_time avg_over_time count_over_time \
        min_over_time max_over_time ts_of_min_over_time ts_of_max_over_time first_over_time last_over_time \
        ts_of_first_over_time ts_of_last_over_time quantile_over_time stddev_over_time stdvar_over_time mad_over_time \
        histogram_count histogram_sum histogram_avg histogram_stddev histogram_stdvar histogram_quantile histogram_fraction \
        histogram_quantiles info";
    let mut wanted: Vec<&str> = names.split_whitespace().collect();
    wanted.sort_unstable();
    let ours: Vec<&str> = crate::functions::FUNCTIONS.iter().map(|function| function.name).collect();
    assert_eq!(ours, wanted);
}
