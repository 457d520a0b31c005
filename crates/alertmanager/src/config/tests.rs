//! Files that load and files that do not.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;

fn load(text: &str) -> Result<AlertmanagerConfig, String> {
    AlertmanagerConfig::load(text, Path::new("dir/alertmanager.yml"), Mode::Fallback)
        .map_err(|error| error.to_string())
}

const BASE: &str = "route: {receiver: a}\nreceivers:\n- name: a\n";

fn check_refused(text: &str, want: &str) {
    let error = load(text).unwrap_err();
    assert!(error.contains(want), "{text}\n{error}");
}

#[test]
fn conformance_files_load_or_fail_as_named() {
    let folder = std::env::var_os("WATCHFIRE_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let folder = folder.join("alertmanager-config");
    let Ok(table) = std::fs::read_to_string(folder.join("EXPECTED.tsv")) else {
        let required = std::env::var("WF_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|kind| kind == "conformance"), "there is no {}", folder.display());
        let _ = writeln!(std::io::stderr(), "SKIPPED: conformance: there is no {}", folder.display());
        return;
    };
    for line in table.lines().filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, verdict, message] = columns[..] else { panic!("{line}") };
        let result = AlertmanagerConfig::load_file(&folder.join(file), Mode::Fallback);
        match (verdict, result) {
            ("ok", Ok(config)) => {
                // What is printed loads again.
                let printed = config.to_yaml();
                let again = AlertmanagerConfig::load(&printed, &folder.join(file), Mode::Fallback);
                assert!(again.is_ok(), "{file}: {}\n{printed}", again.unwrap_err());
                assert!(!printed.contains("mysecret"), "{file}: {printed}");
            }
            ("error", Err(error)) => {
                let error = error.to_string();
                assert!(error.contains(message), "{file}: {error}");
            }
            (_, result) => panic!("{file} should be {verdict}: {:?}", result.err()),
        }
    }
}

#[test]
fn what_is_newer_is_printed_only_when_it_says_something() {
    let printed = |more: &str| {
        let text = format!(
            "route: {{receiver: a}}\nreceivers:\n- name: a\n  slack_configs: [{{api_url: 'http://s/', channel: x{more}}}]\n  \
             discord_configs: [{{webhook_url: 'http://d/'}}]\n"
        );
        AlertmanagerConfig::load(&text, std::path::Path::new("x.yml"), Mode::Fallback).unwrap().to_yaml()
    };
    let plain = printed("");
    for newer in
        ["slack_app_url", "app_url", "update_message", "timeout: 0s", "labels:", "content:", "rocketchat"]
    {
        assert!(!plain.contains(newer), "{newer}: {plain}");
    }
    assert!(printed(", timeout: 5s").contains("timeout: 5s"));
}

#[test]
fn what_is_missing_or_unknown_is_told() {
    check_refused("", "no route provided in config");
    check_refused("receivers: []\n", "no routes provided");
    check_refused("route: {receiver: b}\nreceivers: [{name: a}]\n", "undefined receiver \"b\" used in route");
    check_refused(&format!("{BASE}- name: a\n"), "notification config name \"a\" is not unique");
    check_refused(&format!("{BASE}  nope: 1\n"), "field nope not found in type");
    check_refused(&format!("{BASE}tracing: {{insecure: true}}\n"), "tracing endpoint must be set");
    check_refused(&format!("{BASE}tracing: {{endpoint: x, client_type: udp}}\n"), "expected grpc or http");
    check_refused(&format!("{BASE}event_recorder: {{file_outputs: [{{}}]}}\n"), "without a path");
    check_refused(
        &format!("{BASE}event_recorder: {{kafka_outputs: [{{brokers: [b], topic: t, acks: some}}]}}\n"),
        "expected none, leader or all",
    );
    check_refused(
        "route: {receiver: a, continue: true}\nreceivers: [{name: a}]\n",
        "cannot have continue in root route",
    );
    check_refused(
        "route: {receiver: a, group_by: [a, '...']}\nreceivers: [{name: a}]\n",
        "cannot have wildcard group_by",
    );
    check_refused(
        "route: {receiver: a, repeat_interval: 0s}\nreceivers: [{name: a}]\n",
        "repeat_interval cannot be zero",
    );
    check_refused(&format!("{BASE}  labels: {{name: b}}\n"), "must be its name");
    check_refused(&format!("{BASE}  webhook_configs: [{{url: 'ftp://h/'}}]\n"), "unsupported scheme");
    check_refused(&format!("{BASE}  webhook_configs: [{{}}]\n"), "one of url or url_file must be configured");
    check_refused(&format!("{BASE}  webhook_configs: [{{url: 'http://h/{{{{'}}]\n"), "template");
    check_refused(
        &format!("{BASE}  email_configs: [{{to: x, from: y, smarthost: 'h'}}]\n"),
        "missing port in address",
    );
    check_refused(
        &format!("{BASE}  slack_configs: [{{api_url: 'http://h/', http_config: {{nope: 1}}}}]\n"),
        "nope",
    );
    check_refused(
        &format!("{BASE}time_intervals: [{{name: x}}]\nmute_time_intervals: [{{name: x}}]\n"),
        "is not unique",
    );
    check_refused(&format!("{BASE}inhibit_rules: [{{source_matchers: ['a']}}]\n"), "bad matcher format");
}

#[test]
fn what_is_not_acted_upon_is_read_printed_without_secrets_and_told() {
    let config = load(&format!(
        "{BASE}tracing: {{endpoint: 'otel:4317', sampling_fraction: 0.5, headers: {{key: mysecret}}}}\n\
         event_recorder:\n  stdout_outputs: [{{}}]\n  webhook_outputs: [{{url: 'http://h/mysecret', batch: true}}]\n"
    ))
    .unwrap();
    let names: Vec<_> = config.idle_sections().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["tracing", "event_recorder"]);
    let printed = config.to_yaml();
    assert!(printed.contains("otel:4317") && !printed.contains("mysecret"), "{printed}");
    assert!(load(&printed).is_ok(), "{printed}");
    assert!(load(BASE).unwrap().idle_sections().is_empty());
}

#[test]
fn routes_are_tested_by_labels() {
    let config = load(
        "route: {receiver: a, routes: [{matchers: ['x=y'], receiver: b, continue: true}, {matchers: ['z=~.+'], receiver: c}]}\n\
         receivers: [{name: a}, {name: b}, {name: c}]\n",
    )
    .unwrap();
    let receivers =
        |labels: &[&str]| config.receivers_for(&labels.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    assert_eq!(receivers(&["x=y", "z=1"]).unwrap(), ["b", "c"]);
    assert_eq!(receivers(&[]).unwrap(), ["a"]);
    assert!(receivers(&["x!=y"]).is_err() && receivers(&["x"]).is_err());
    assert_eq!(config.summary().unwrap().n_receivers, 3);
}

#[test]
fn globals_fill_what_receivers_leave_open() {
    let config = load(
        "global: {opsgenie_api_key: k, opsgenie_api_url: 'http://h/og', http_config: {tls_config: {ca_file: ca.pem}}}\n\
         route: {receiver: a}\nreceivers:\n- name: a\n  opsgenie_configs: [{api_key_file: f}]\n",
    )
    .unwrap();
    let opsgenie = &config.file.receivers[0].opsgenie_configs[0];
    assert_eq!((opsgenie.api_key.reveal().as_str(), opsgenie.api_url.0.as_str()), ("k", "http://h/og/"));
    let http = opsgenie.http_config.as_ref().unwrap();
    assert_eq!(http.0.tls_config.ca_file.as_deref(), Some(Path::new("dir/ca.pem")));
    assert_eq!(config.file.receivers[0].labels["name"], "a");
}
