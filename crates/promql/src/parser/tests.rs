//! The grammar by examples: what parses, how it prints, and what each error says.

mod grammar;
mod lenient;

use proptest::prelude::*;

use super::*;

fn print(text: &str) -> String {
    parse(text, &ParseOptions::all()).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
}

fn refuse(text: &str, want: &str) {
    let error = parse(text, &ParseOptions::all()).map(|expr| expr.to_string()).unwrap_err().to_string();
    assert_eq!(error, want, "{text}");
}

#[test]
fn expressions_print_canonically() {
    let check = |text: &str, want: &str| assert_eq!(print(text), want, "{text}");
    check("1+2 * 3", "1 + 2 * 3");
    check("-1^2", "-1 ^ 2");
    check("2^3^2", "2 ^ 3 ^ 2");
    check("SUM BY (a,b,) (x)", "sum by (a, b) (x)");
    check("sum(x) without ()", "sum without () (x)");
    check("sum by () (x)", "sum(x)");
    check("topk by (a) (3, x)", "topk by (a) (3, x)");
    check("a == bool on(x) group_left() b", "a == bool on (x) group_left () b");
    check("a + ignoring(x) group_right(y) b", "a + ignoring (x) group_right (y) b");
    check("a and on() b or c", "a and on () b or c");
    check("a + fill(1) b", "a + fill (1) b");
    check("a + fill_left(1) fill_right(-2) b", "a + fill_left (1) fill_right (-2) b");
    check(r#"up{job="a",instance=~"b.*"}"#, r#"up{instance=~"b.*",job="a"}"#);
    check(r#"{"my.metric",a!="b"}"#, r#"{"my.metric",a!="b"}"#);
    check(r#"{"up"}"#, "up");
    check(r#"{__name__="up"}"#, r#"{__name__="up"}"#);
    check("foo[5m] offset -1h @ 10", "foo[5m] @ 10.000 offset -1h");
    check("foo[300]", "foo[5m]");
    check("foo @ start() offset 0.5", "foo @ start() offset 500ms");
    check("rate(foo[5m] anchored)[1h:5m] offset 1d", "rate(foo[5m] anchored)[1h:5m] offset 1d");
    check("foo[step()*2:min_of(1m,step())]", "foo[step() * 2:min_of(1m, step())]");
    check("foo offset -2^2", "foo offset -2s ^ 2");
    check("foo offset (1m+step())", "foo offset (1m + step())");
    check("sum", "sum");
    check("by + offset", "by + offset");
    check("1h30m + 0x1f", "1h30m + 31");
    check("round(x) + time()", "round(x) + time()");
    check("info(x, {a=\"b\"})", "info(x, {a=\"b\"})");
    check("label_join(x, \"a\", \",\")", "label_join(x, \"a\", \",\")");
    check("a:b:c{d='e'} # comment", "a:b:c{d=\"e\"}");
}

#[test]
fn precedence_shapes_the_tree() {
    let check = |text: &str, top: &str| {
        let expr = parse(text, &ParseOptions::all()).unwrap();
        let ExprKind::Binary(binary) = expr.kind else { panic!("{text} is not binary") };
        assert_eq!(binary.op.as_str(), top, "{text}");
    };
    check("a or b and c", "or");
    check("a == b + c", "==");
    check("a - b * c", "-");
    check("-a * b", "*");
    check("-a ^ b * c", "*");
    check("a </ 5 == b", "==");
    assert!(matches!(parse("-a ^ b", &ParseOptions::all()).unwrap().kind, ExprKind::Unary(..)));
}

#[test]
fn mistakes_are_told_in_the_references_words() {
    refuse("((1)", "1:5: parse error: unclosed left parenthesis");
    refuse("(1))", "1:5: parse error: unexpected right parenthesis ')'");
    refuse("some}", "1:5: parse error: unexpected character: '}'");
    refuse("foo[999999999y]", "1:5: parse error: duration out of range");
    refuse("sum(a,)", "1:6: parse error: trailing commas not allowed in function call args");
    refuse("a - on(b) ignoring(c) d", "1:11: parse error: unexpected <ignoring>");
    refuse("foo + group_left(baz) bar", "1:7: parse error: unexpected <group_left>");
    refuse("1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression");
    refuse("1 + on(a) 1", "1:1: parse error: vector matching only allowed between instant vectors");
    refuse("foo or on(a) group_left bar", "1:1: parse error: no grouping allowed for \"or\" operation");
    let unary = "unary expression only allowed on expressions of type scalar or instant vector";
    refuse("-\"string\"", &format!("1:1: parse error: {unary}, got \"string\""));
}

#[test]
fn errors_name_place_and_reason() {
    refuse("", "1:1: parse error: no expression found in input");
    refuse("sum(", "1:5: parse error: unclosed left parenthesis");
    refuse("a + ", "1:5: parse error: unexpected end of input");
    refuse("a\n+ )", "2:4: parse error: unexpected right parenthesis ')'");
    refuse("foo{a=\"b\"", "1:10: parse error: unexpected end of input inside braces");
    refuse("foo[5m", "1:7: parse error: unclosed left bracket");
    refuse("foo[0]", "1:5: parse error: duration must be greater than 0");
    refuse("sum(foo)[5m]", "1:9: parse error: ranges only allowed for vector selectors");
    refuse("foo offset 1m [5m]", "1:15: parse error: no offset modifiers allowed before range");
    refuse("foo offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times");
    refuse("1 == 2", "1:3: parse error: comparisons between scalars must use BOOL modifier");
    refuse("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators");
    refuse("a and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression");
    refuse(
        "rate(foo)",
        "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
    );
    refuse("rate(foo[5m], 1)", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 2");
    refuse("nothing(foo)", "1:1: parse error: unknown function with name \"nothing\"");
    refuse("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher");
    refuse("up{__name__=\"a\"}", "1:1: parse error: metric name must not be set twice: \"up\" or \"a\"");
    refuse("a on(b) c", "1:3: parse error: unexpected <on>");
    refuse(
        "\"a\" + 1",
        "1:1: parse error: binary expression must contain only scalar and instant vector types",
    );
    refuse("a ? b", "1:3: parse error: unexpected character: '?'");
    refuse(
        "topk(x)",
        "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
    );
    refuse("foo[5m / 0]", "1:10: parse error: division by zero");
}

#[test]
fn experimental_parts_need_their_flag() {
    for text in ["mad_over_time(x[5m])", "limitk(1, x)", "rate(x[5m] smoothed)", "a + fill(0) b"] {
        assert!(parse(text, &ParseOptions::default()).is_err(), "{text}");
        assert!(parse(text, &ParseOptions::all()).is_ok(), "{text}");
    }
}

#[test]
fn no_nesting_exhausts_the_stack() {
    for text in
        ["(".repeat(100_000), "-".repeat(100_000), "1+".repeat(100_000) + "1", "a[1m:]".repeat(50_000)]
    {
        assert!(parse(&text, &ParseOptions::all()).is_err());
    }
    assert!(
        parse(
            &(0..400).map(|_| "1+").collect::<String>().replace("+", "+1+").replace("11", "1"),
            &ParseOptions::all()
        )
        .is_err()
    );
}

#[test]
fn a_match_parameter_is_a_bare_selector() {
    assert_eq!(parse_selector("up{a=\"b\"}").unwrap().len(), 2);
    for text in ["up[5m]", "sum(up)", "up offset 1m", "{}", "1", ""] {
        assert!(parse_selector(text).is_err(), "{text}");
    }
}

fn vector() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_owned()),
        Just("a:b{c=\"d\",e!~\"f|g\"}".to_owned()),
        Just("{\"x.y\",\"l.m\"=\"\\\"\"} @ end() offset -5m".to_owned()),
        (1_u32..5000).prop_map(|seconds| format!("rate(m[{seconds}s] offset {seconds}s)")),
    ];
    leaf.prop_recursive(5, 64, 4, |inner| {
        let op = prop::sample::select(vec![
            "+",
            "-",
            "*",
            "/",
            "^",
            "and",
            "or",
            "== bool",
            "> on (a) group_left (b)",
        ]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(l, op, r)| format!("{l} {op} {r}")),
            inner.clone().prop_map(|e| format!("({e})")),
            inner.clone().prop_map(|e| format!("-{e}")),
            inner.clone().prop_map(|e| format!("sum by (a, b) ({e})")),
            inner.clone().prop_map(|e| format!("topk without (a) (3, {e})")),
            inner.clone().prop_map(|e| format!("max_over_time(({e})[1h:5m] @ 3)")),
            inner.prop_map(|e| format!("label_replace({e}, \"a\", \"$1\", \"b\", \"(.*)\")")),
        ]
    })
}

proptest! {
    /// What is printed parses back, and prints the same.
    #[test]
    fn printing_loses_nothing(text in vector()) {
        let printed = print(&text);
        prop_assert_eq!(print(&printed), printed);
    }

    /// Any text gets a tree or an error whose place lies inside.
    #[test]
    fn any_text_is_answered(text in "[a-z0-9{}()\\[\\]\"'`+*/=<>!~,:@ .#_é-]{0,60}") {
        lenient::agrees_with_strict(&text);
    }
}
