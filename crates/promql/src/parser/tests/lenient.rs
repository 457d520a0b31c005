//! Reading on behind mistakes: what is left of the tree, and which errors are told.

use super::super::*;

/// Whatever the text, the first error is the strict parser's, and every place lies inside.
pub(super) fn agrees_with_strict(text: &str) {
    let lenient = parse_leniently(text, &ParseOptions::all());
    match parse(text, &ParseOptions::all()) {
        Ok(expr) => {
            assert_eq!(lenient.errors, [], "{text}");
            assert_eq!(lenient.expr.map(|expr| expr.to_string()), Some(expr.to_string()), "{text}");
        }
        Err(error) => assert_eq!(lenient.errors.first(), Some(&error), "{text}"),
    }
    for error in &lenient.errors {
        assert!(
            error.pos.start as usize <= text.len() && error.pos.start <= error.pos.end,
            "{text}: {error:?}"
        );
    }
}

#[track_caller]
fn check(text: &str, want_tree: &str, want_errors: &[&str]) {
    agrees_with_strict(text);
    let lenient = parse_leniently(text, &ParseOptions::all());
    let errors: Vec<String> = lenient.errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, want_errors, "{text}");
    assert_eq!(
        lenient.expr.map_or_else(|| "nothing".to_owned(), |expr| expr.to_string()),
        want_tree,
        "{text}"
    );
}

#[test]
fn a_text_that_is_being_typed_keeps_what_is_there() {
    check(
        "sum(rate(foo[5m]) /",
        "sum(rate(foo[5m]) / {})",
        &["1:20: parse error: unclosed left parenthesis"],
    );
    check("foo{a=\"b\", c=", "foo{a=\"b\"}", &["1:14: parse error: unexpected end of input inside braces"]);
    check("rate(foo[", "rate(foo[0s])", &["1:10: parse error: unclosed left parenthesis"]);
    check("sum by (", "{}", &["1:9: parse error: unclosed left parenthesis"]);
    check("a + ", "a + {}", &["1:5: parse error: unexpected end of input"]);
    check("", "nothing", &["1:1: parse error: no expression found in input"]);
}

#[test]
fn several_mistakes_are_told_together() {
    check(
        "rate(foo) + nothing(x) + sum(a[5m])",
        "rate(foo) + {} + sum(a[5m])",
        &[
            "1:13: parse error: unknown function with name \"nothing\"",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
            "1:30: parse error: expected type instant vector in aggregation expression, got range vector",
        ],
    );
    check(
        "rate(foo) + sum(bar[5m])",
        "rate(foo) + sum(bar[5m])",
        &[
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
            "1:17: parse error: expected type instant vector in aggregation expression, got range vector",
        ],
    );
    check(
        "foo{a ? b, c=\"d\"} + bar[5x]",
        "foo{c=\"d\"} + bar[0s]",
        &[
            "1:7: parse error: unexpected character inside braces: '?'",
            "1:25: parse error: bad number or duration syntax: \"5x\"",
            "1:21: parse error: binary expression must contain only scalar and instant vector types",
        ],
    );
    check(
        "sum(a) b\n+ rate(c)",
        "sum(a)",
        &[
            "1:8: parse error: unexpected identifier \"b\"",
            "2:8: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ],
    );
}

#[test]
fn a_hole_is_no_cause_of_further_errors() {
    check(
        "rate(x +) + sum(max_over_time())",
        "rate(x + {}) + sum(max_over_time())",
        &[
            "1:9: parse error: unexpected \")\"",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
            "1:17: parse error: expected 1 argument(s) in call to \"max_over_time\", got 0",
        ],
    );
    let lenient = parse_leniently("a + (", &ParseOptions::all());
    assert_eq!(lenient.holes.len(), 1);
}

#[test]
fn hopeless_texts_end_soon() {
    for text in ["(".repeat(50_000), "a b ".repeat(50_000), "?".repeat(50_000), "a{".repeat(50_000)] {
        let lenient = parse_leniently(&text, &ParseOptions::all());
        assert!((1..=20).contains(&lenient.errors.len()), "{}", lenient.errors.len());
    }
}
