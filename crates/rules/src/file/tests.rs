//! Rule files: good, bad, and those of the original.

use std::fs;

use super::*;

fn problems(text: &str) -> String {
    match load(text, Path::new("rules.yml"), Acceptance::default()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_file_becomes_groups() {
    let text = "
groups:
  - name: a
    interval: 30s
    query_offset: 1m
    limit: 5
    labels: { team: core, severity: low }
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: Down
        expr: up == 0
        for: 5m
        keep_firing_for: 1m
        labels: { severity: page }
        annotations: { summary: '{{ $labels.instance }} is down: {{ $value | humanize }}' }
";
    let groups = load(text, Path::new("rules.yml"), Acceptance::default()).unwrap();
    let [group] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!((group.name.as_str(), group.limit), ("a", 5));
    assert_eq!(group.interval, Some(Duration::from_secs(30)));
    assert_eq!(group.query_offset, Some(Duration::from_secs(60)));
    let [record, alert] = &group.rules[..] else { panic!("{group:?}") };
    assert_eq!((record.name.as_str(), &record.kind), ("job:up:sum", &RuleKind::Record));
    assert_eq!(record.labels["severity"], "low");
    assert_eq!((alert.labels["severity"].as_str(), alert.labels["team"].as_str()), ("page", "core"));
    let RuleKind::Alert { hold_for, keep_firing_for, annotations } = &alert.kind else { panic!("{alert:?}") };
    assert_eq!((hold_for.as_secs(), keep_firing_for.as_secs()), (300, 60));
    assert_eq!(annotations.len(), 1);
}

#[test]
fn a_negative_limit_is_none_as_in_the_original() {
    let groups = load("groups: [{name: a, limit: -1}]", Path::new("r.yml"), Acceptance::default()).unwrap();
    assert_eq!(groups[0].limit, 0);
}

#[test]
fn everything_wrong_is_told_with_its_place() {
    for (rule, want) in [
        ("{ expr: 1 }", "rules.yml: 3:13: group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set"),
        ("{ record: a, alert: b, expr: 1 }", "only one of 'record' and 'alert' must be set"),
        ("{ record: a }", "group \"g\", rule 1, \"a\": field 'expr' must be set in rule"),
        ("{ record: a, expr: 'rate(x)' }", "could not parse expression: 1:6: parse error:"),
        ("{ record: a, expr: 1, for: 1m }", "invalid field 'for' in recording rule"),
        ("{ record: a, expr: 1, keep_firing_for: 1m }", "invalid field 'keep_firing_for' in recording rule"),
        ("{ record: a, expr: 1, annotations: { b: c } }", "invalid field 'annotations' in recording rule"),
        (
            "{ record: 'a{b=\"c\"}', expr: 1 }",
            "braces present in the recording rule name; should it be in expr?: a{b=\"c\"}",
        ),
        ("{ record: a, expr: 1, labels: { __name__: b } }", "invalid label name: __name__"),
        (
            "{ alert: a, expr: 1, annotations: { b: '{{ .x' } }",
            "annotation \"b\": error parsing template __alert_a: template: __alert_a:1: unclosed action",
        ),
        ("{ alert: a, expr: 1, annotation: { b: c } }", "field annotation not found in type rulefmt.Rule"),
        ("{ alert: a, expr: 1, for: soon }", "not a valid duration string"),
    ] {
        let text = format!("groups:\n  - name: g\n    rules: [{rule}]\n");
        let error = problems(&text);
        assert!(error.contains(want), "{rule}\nhave {error}\nwant {want}");
    }
    assert!(
        problems("groups: [{ name: a }, { name: a }]")
            .contains("groupname: \"a\" is repeated in the same file")
    );
    assert!(problems("groups: [{ rules: [] }]").contains("Groupname must not be empty"));
}

#[test]
fn the_originals_files_load_or_fail_as_named() {
    let folder = std::env::var_os("WATCHFIRE_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let Ok(entries) = fs::read_dir(folder.join("rule-files")) else {
        let required = std::env::var("WF_REQUIRE").unwrap_or_default();
        assert!(!required.contains("conformance"), "conformance data is required");
        eprintln!("SKIPPED: conformance: no rule files");
        return;
    };
    let mut n_files = 0;
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let scheme = if name.starts_with("legacy") { NameScheme::Legacy } else { NameScheme::Utf8 };
        let outcome = load_file(&path, Acceptance { scheme, ..Acceptance::default() });
        assert_eq!(outcome.is_err(), name.contains(".bad."), "{name}: {outcome:?}");
        n_files += 1;
    }
    assert!(n_files > 10, "{n_files}");
    for file in ["kubernetes-mixin/prometheus_alerts.yaml", "kubernetes-mixin/prometheus_rules.yaml"] {
        let groups = load_file(&folder.join("rule-tests").join(file), Acceptance::default()).unwrap();
        assert!(groups.iter().map(|group| group.rules.len()).sum::<usize>() > 20, "{file}");
    }
}
