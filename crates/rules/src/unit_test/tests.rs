//! The original's test files pass or fail as named.

use std::path::PathBuf;

use super::*;

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("WATCHFIRE_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let folder = folder.join("rule-tests");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("WF_REQUIRE").unwrap_or_default();
    assert!(!required.contains("conformance"), "conformance data is required");
    eprintln!("SKIPPED: conformance: no rule tests");
    None
}

fn errors(path: &Path) -> Vec<String> {
    match run_file(path, &Options::default(), &|_| true) {
        Ok(outcome) => outcome.groups.into_iter().flat_map(|group| group.errors).collect(),
        Err(errors) => errors,
    }
}

#[test]
fn the_originals_tests_pass_or_fail_as_named() {
    let Some(folder) = folder() else { return };
    for file in ["at-modifier-test", "long-period", "negative-offset-test", "unittest"] {
        let errors = errors(&folder.join("promtool").join(file).with_extension("yml"));
        assert!(errors.is_empty(), "{file}: {}", errors.join("\n"));
    }
    for file in ["failing", "bad-input-series", "bad-rules-error-test"] {
        assert!(!errors(&folder.join("promtool").join(file).with_extension("yml")).is_empty(), "{file}");
    }
}

#[test]
fn the_kubernetes_rules_pass_their_tests() {
    let Some(folder) = folder() else { return };
    // The largest file takes minutes in a debug build: `cargo xtask show rules` runs it.
    for file in ["apiserver-availability-test", "kube_scheduler-test", "kubelet-test"] {
        let path = folder.join("kubernetes-mixin/tests").join(file).with_extension("yaml");
        let errors = errors(&path);
        assert!(errors.is_empty(), "{}: {}", path.display(), errors.join("\n"));
    }
}

#[test]
fn failures_are_shown_as_the_original_shows_them() {
    let dir = std::env::temp_dir().join(format!("wf-rule-tests-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let rules = "groups: [{name: g, rules: [{alert: A, expr: test == 0, annotations: {s: x}}]}]";
    std::fs::write(dir.join("rules.yml"), rules).unwrap();
    let tests = "
rule_files: [rules.yml, none.yml]
tests:
- name: one
  input_series: [{series: 'test{a=\"b\"}', values: '0 1'}]
  alert_rule_test: [{eval_time: 0m, alertname: A}]
  promql_expr_test:
  - {expr: test, eval_time: 1m, exp_samples: [{labels: test, value: 1}]}
  - {expr: nope(, eval_time: 1m}
";
    std::fs::write(dir.join("test.yml"), tests).unwrap();
    let outcome = run_file(&dir.join("test.yml"), &Options::default(), &|_| true).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(outcome.unmatched, ["none.yml"]);
    let want = [
        "    name: one,\n    alertname: A, time: 0s, \n        exp:[], \n        got:[\n            0:\n              Labels:{a=\"b\", alertname=\"A\"}\n              Annotations:{s=\"x\"}\n            ]",
        "    expr: \"test\", time: 1m,\n        exp: {__name__=\"test\"} 1E+00\n        got: {__name__=\"test\", a=\"b\"} 1E+00",
    ];
    assert_eq!(outcome.groups[0].errors[..2], want);
    assert!(outcome.groups[0].errors[2].starts_with("    expr: \"nope(\", time: 1m, err: 1:"));
}
