//! Default templates byte by byte, and the functions and methods of notifications.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::data::NotedAlert;
use super::*;
use crate::alert::testing::{alert, at, saying};

fn noted(labels: &[(&str, &str)], annotations: &[(&str, &str)], is_resolved: bool) -> NotedAlert {
    let alert = saying(&alert(labels, 1_000_000_000, 1_000_000_060), annotations, "http://p/g");
    NotedAlert { alert: Arc::new(alert), is_resolved }
}

fn note(group: &[(&str, &str)], alerts: Vec<NotedAlert>) -> Note {
    Note {
        receiver: "team a".to_owned(),
        group_key: "{}:{}".to_owned(),
        group_labels: wf_model::Labels::from_pairs(group.iter().copied()),
        route_labels: BTreeMap::from([("tier".to_owned(), "1".to_owned())]),
        alerts,
        reason: "first notification",
        now: at(1_000_000_030),
        repeat_interval: std::time::Duration::from_secs(3600),
    }
}

fn templates() -> Templates {
    Templates::load(&[], Path::new(""), "http://am/").unwrap()
}

fn expand_for(note: &Note, text: &str, escaping: Escaping) -> Result<String, String> {
    let templates = templates();
    let data = Data::new(note, &templates).value();
    templates.expand(text, &data, &NoteFunctions::new(note.now), escaping)
}

fn check(note: &Note, text: &str, want: &str) {
    assert_eq!(expand_for(note, text, Escaping::Text).as_deref(), Ok(want), "{text}");
}

fn two() -> Note {
    note(
        &[("alertname", "t")],
        vec![
            noted(&[("alertname", "t"), ("team", "a&b"), ("i", "1")], &[("s", "x")], false),
            noted(&[("alertname", "t"), ("team", "a&b"), ("i", "2")], &[("s", "x")], true),
        ],
    )
}

#[test]
fn subjects_tell_state_group_and_what_else_is_common() {
    check(&two(), "{{ template \"__subject\" . }}", "[FIRING:1] t (a&b)");
    let mut lone = two();
    lone.alerts.truncate(1);
    lone.group_labels = wf_model::Labels::empty();
    check(&lone, "{{ template \"__subject\" . }}", "[FIRING:1]  (t 1 a&b)");
    let bare = note(&[("alertname", "t")], vec![noted(&[("alertname", "t")], &[], true)]);
    check(&bare, "{{ template \"__subject\" . }}", "[RESOLVED] t ");
    check(&two(), "{{ template \"__alertmanagerURL\" . }}", "http://am/#/alerts?receiver=team+a");
}

/// The list of one alert as `__text_alert_list` has it.
fn list(i: &str) -> String {
    format!(
        "Labels:\n - alertname = t\n - i = {i}\n - team = a&b\nAnnotations:\n - s = x\nSource: http://p/g\n"
    )
}

#[test]
fn bodies_are_those_of_the_specification() {
    let (firing, resolved) = (list("1"), list("2"));
    let tight = format!("x\nAlerts Firing:\n{firing}\nAlerts Resolved:\n{resolved}");
    check(&two(), "{{ template \"opsgenie.default.description\" . }}", &tight);
    check(&two(), "{{ template \"victorops.default.state_message\" . }}", &tight);
    let url = "http://am/#/alerts?receiver=team+a";
    let wechat = format!("[FIRING:1] t (a&b)\n{tight}\nAlertmanagerUrl:\n{url}");
    check(&two(), "{{ template \"wechat.default.message\" . }}", &wechat);
    let wide = format!("\n\nAlerts Firing:\n{firing}\n\n\nAlerts Resolved:\n{resolved}\n\n");
    check(&two(), "{{ template \"telegram.default.message\" . }}", &wide);
    check(&two(), "{{ template \"pushover.default.message\" . }}", &format!("x{wide}"));
    let markdown = |i: &str| {
        format!(
            "\nLabels:\n  - alertname = t\n  - i = {i}\n  - team = a&b\n\nAnnotations:\n  - s = x\n\nSource: http://p/g\n\n"
        )
    };
    let body =
        format!("\n\n# Alerts Firing:\n{}\n\n\n# Alerts Resolved:\n{}\n\n", markdown("1"), markdown("2"));
    check(&two(), "{{ template \"msteams.default.text\" . }}", &body);
}

#[test]
fn jira_takes_the_worst_severity() {
    let with = |severities: &[&str]| {
        let alerts = severities
            .iter()
            .map(|severity| noted(&[("severity", severity), ("alertname", "t")], &[], false));
        note(&[], alerts.collect())
    };
    for (severities, want) in [
        (&["info", "critical", "warning"][..], "High"),
        (&["info", "warning"], "Medium"),
        (&["info"], "Low"),
        (&["none"], ""),
    ] {
        check(&with(severities), "{{ template \"jira.default.priority\" . }}", want);
    }
}

#[test]
fn data_and_methods_are_there() {
    for (text, want) in [
        ("{{ .Receiver }} {{ .Status }} {{ .NotificationReason }}", "team a firing first notification"),
        ("{{ .CommonLabels }} {{ .CommonLabels.Names.Join \",\" }}", "alertname=t, team=a&b alertname,team"),
        ("{{ .GroupLabels.SortedPairs.Values | join \"-\" }} {{ .RouteLabels.tier }}", "t 1"),
        ("{{ (.CommonLabels.Remove (stringSlice \"team\")).team }}|{{ .CommonLabels.nope }}", "|"),
        (
            "{{ range .Alerts.Resolved }}{{ .EndsAt.Sub .StartsAt }} {{ .Fingerprint | len }}{{ end }}",
            "1m0s 16",
        ),
        ("{{ (index .Alerts 0).StartsAt.Format \"2006-01-02T15:04:05Z07:00\" }}", "2001-09-09T01:46:40Z"),
        ("{{ (index .Alerts 0).EndsAt.IsZero }}", "true"),
        ("{{ since (index .Alerts 0).StartsAt | humanizeDuration }}", "30s"),
        (
            "{{ tz \"Europe/Berlin\" (index .Alerts 0).StartsAt | date \"Mon, 2 Jan 2006 3:04PM MST\" }}",
            "Sun, 9 Sep 2001 3:46AM +0200",
        ),
        (
            "{{ (toDate \"2006-01-02\" \"2020-05-06\").Year }} {{ (toDate \"2006\" \"x\").IsZero }}",
            "2020 true",
        ),
        (
            "{{ toJson .GroupLabels }} {{ dict \"a\" 1 | toJson }} {{ \"<\" | toJson }}",
            "{\"alertname\":\"t\"} {\"a\":1} \"\\u003c\"",
        ),
        (
            "{{ \"hello wORLD\" | title }} {{ trimSpace \" x \" }} {{ urlUnescape \"a%20b+c\" }}",
            "Hello World x a b c",
        ),
        ("{{ reReplaceAll \"(a)b\" \"${1}x\" \"ab\" }} {{ match \"^a\" \"ba\" }}", "ax false"),
        ("{{ append (list 1 2) 3 }} {{ base64encode \"a?\" | base64decode }}", "[1 2 3] a?"),
    ] {
        check(&two(), text, want);
    }
    assert!(
        expand_for(&two(), "{{ .Nope }}", Escaping::Text).unwrap_err().contains("can't evaluate field Nope")
    );
    assert!(expand_for(&two(), "{{ mustToDate \"2006\" \"x\" }}", Escaping::Text).is_err());
}

#[test]
fn the_mail_is_html_that_names_the_alerts() {
    let html = expand_for(&two(), "{{ template \"email.default.html\" . }}", Escaping::Html).unwrap();
    for want in [
        "<title>[FIRING:1] t (a&amp;b)</title>",
        "background: #E6522C",
        "2 alerts for alertname=t ",
        "href=\"http://am/#/alerts?receiver=team&#43;a\"",
        "team = a&amp;b<br>",
        "<a href=\"http://p/g\">Source</a>",
        "[1] Firing",
        "[1] Resolved",
    ] {
        assert!(html.contains(want), "{want}\n{html}");
    }
}

#[test]
fn route_labels_may_name_each_other_but_not_in_circles() {
    let labels = BTreeMap::from([
        ("a".to_owned(), "{{ routeLabels \"b\" }}!".to_owned()),
        ("b".to_owned(), "{{ .GroupLabels.alertname }}".to_owned()),
        ("c".to_owned(), "{{ routeLabels \"d\" }}".to_owned()),
        ("d".to_owned(), "{{ routeLabels \"c\" }}".to_owned()),
        ("e".to_owned(), "{{ routeLabels \"none\" }}".to_owned()),
    ]);
    let expanded = route_labels(&labels, &templates(), &two());
    let shown: Vec<String> = expanded.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(shown, ["a=t!", "b=t", "e="]);
}

#[test]
fn files_of_users_override_names() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("x.tmpl"),
        "{{ define \"__subject\" }}mine{{ end }}{{ define \"own\" }}{{ template \"__subject\" . }}{{ end }}",
    )
    .unwrap();
    let templates = Templates::load(&["*.tmpl".to_owned()], folder.path(), "http://am").unwrap();
    let data = Data::new(&two(), &templates).value();
    let text = "{{ template \"own\" . }} {{ template \"slack.default.title\" . }}";
    assert_eq!(
        templates.expand(text, &data, &NoteFunctions::new(at(0)), Escaping::Text).unwrap(),
        "mine mine"
    );
    std::fs::write(folder.path().join("y.tmpl"), "{{ nope }}").unwrap();
    assert!(Templates::load(&["*.tmpl".to_owned()], folder.path(), "").is_err());
}
