//! `watchfire tool promql` as a script calls it: output, and exit codes as of the original's tools.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use wf_e2e::skip::binary;

/// Runs `tool promql` with `input`; returns exit code, output and errors.
fn run(arguments: &[&str], input: &str) -> Option<(i32, String, String)> {
    let mut child = Command::new(binary()?)
        .args(["tool", "--experimental", "promql"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Some((output.status.code().unwrap(), text(output.stdout), text(output.stderr)))
}

#[track_caller]
fn check(arguments: &[&str], input: &str, code: i32, want: &str) {
    let Some((found, output, errors)) = run(arguments, input) else { return };
    assert_eq!((found, output.as_str()), (code, want), "{arguments:?}: {errors}");
}

#[test]
fn queries_are_formatted_and_changed() {
    check(&["format", "SUM(rate( x[5m])) by (a)"], "", 0, "sum by (a) (rate(x[5m]))\n");
    check(&["format", "-"], "a+b # comment\n", 0, "a + b\n");
    check(&["format", "sum("], "", 1, "");
    check(&["label-matchers", "set", "x + y{a=\"b\"}", "a", "c"], "", 0, "x{a=\"c\"} + y{a=\"c\"}\n");
    check(&["label-matchers", "set", "-t", "=~", "x", "a", "c|d"], "", 0, "x{a=~\"c|d\"}\n");
    check(&["label-matchers", "set", "-t", "=~", "x", "a", "("], "", 1, "");
    check(&["label-matchers", "delete", "x{a=\"1\",b=\"2\"}", "a"], "", 0, "x{b=\"2\"}\n");
    check(&["label-matchers", "delete", "{a=\"1\"}", "a"], "", 1, "");
}

#[test]
fn lint_findings_are_fatal_only_when_asked() {
    let finding = "1:1: warning: rate-of-gauge: rate() of x_bytes, which is a gauge: every drop counts as a reset; \
                   use delta, deriv or avg_over_time, or the counter it comes from\n";
    check(&["lint", "rate(x_bytes[5m])"], "", 0, finding);
    check(&["lint", "--lint-fatal", "rate(x_bytes[5m])"], "", 3, finding);
    check(&["lint", "--lint-fatal", "rate(x_total[5m])"], "", 0, "");
    check(&["lint", "--lint-fatal", "--warnings-only", "x{a=~\"b\"}"], "", 0, "");
    check(&["lint", "rate("], "", 1, "1:6: parse error: unclosed left parenthesis\n");
    let Some((_, output, _)) = run(&["lint", "-o", "json", "topk(0, x)"], "") else { return };
    let found: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(found["findings"][0]["code"], "selects-nothing");
}

#[test]
fn trees_and_plans_are_shown() {
    let Some((code, tree, _)) = run(&["parse", "sum(x) > 1"], "") else { return };
    assert_eq!((code, tree.lines().count()), (0, 4), "{tree}");
    let (_, tree, _) = run(&["parse", "-o", "json", "sum(x) > 1"], "").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&tree).unwrap()["type"], "binaryExpr");
    let (code, plan, errors) = run(&["explain", "--analyze", "sum(x) + 1", "--time", "100"], "").unwrap();
    assert!(code == 0 && plan.contains("aggregate sum") && plan.contains("self"), "{plan}{errors}");
    let (_, plan, _) =
        run(&["explain", "-o", "json", "x", "--start", "0", "--end", "60", "--step", "15"], "").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&plan).unwrap()["nodes"][0]["steps"]["count"], 5);
    assert_eq!(run(&["explain", "--data", "no/such/directory", "x"], "").unwrap().0, 1);
}
