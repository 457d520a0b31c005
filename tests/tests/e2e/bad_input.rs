//! Bad input gets an answer that says what, where and how to mend it, with the right exit or status code.

use std::fs;
use std::net::TcpListener;

use wf_e2e::http;
use wf_e2e::process::run;
use wf_e2e::skip::binary;

use crate::setup::Site;

/// Runs the server on `config` and returns its exit code and everything it printed.
fn refuse(config: &str, extra: &[&str]) -> Option<(i32, String)> {
    let binary = binary()?;
    let site = Site::new();
    fs::write(site.path("prometheus.yml"), config).unwrap();
    let mut arguments = site.server_arguments();
    arguments.extend(extra.iter().map(|argument| (*argument).to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, out, err) = run(&binary, &arguments).unwrap();
    Some((code, out + &err))
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "want {part:?} in:\n{text}");
    }
}

#[test]
fn broken_yaml_names_line_and_column() {
    let Some((code, text)) = refuse("global:\n  scrape_interval: [\n", &[]) else { return };
    assert_eq!(code, 2, "{text}");
    says(&text, &["prometheus.yml:2:20"]);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let Some((code, text)) = refuse("global:\n  scrape_intervall: 5s\n", &[]) else { return };
    assert_eq!(code, 2, "{text}");
    says(&text, &["scrape_intervall", "prometheus.yml:2:3"]);
}

#[test]
fn a_timeout_above_the_interval_is_refused() {
    let config = "scrape_configs:\n  - job_name: a\n    scrape_interval: 5s\n    scrape_timeout: 6s\n";
    let Some((code, text)) = refuse(config, &[]) else { return };
    assert_eq!(code, 2, "{text}");
    says(&text, &["scrape timeout", "job"]);
}

#[test]
fn unknown_and_ineffective_flags_exit_two() {
    let Some((code, text)) = refuse("", &["--no.such.flag"]) else { return };
    assert_eq!(code, 2, "{text}");
    says(&text, &["--no.such.flag"]);
    let Some((code, text)) = refuse("", &["--storage.remote.flush-deadline=1m"]) else { return };
    assert_eq!(code, 2, "{text}");
    says(&text, &["storage.remote.flush-deadline"]);
}

#[test]
fn a_taken_port_names_its_owner_and_the_flag() {
    let Some(binary) = binary() else { return };
    let site = Site::new();
    let listener = TcpListener::bind(site.listen()).unwrap();
    fs::write(site.path("prometheus.yml"), "").unwrap();
    let arguments = site.server_arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, out, err) = run(&binary, &arguments).unwrap();
    drop(listener);
    assert_eq!(code, 1, "{out}{err}");
    says(&(out + &err), &[&site.listen(), &std::process::id().to_string(), "--web.listen-address"]);
}

#[test]
fn a_locked_data_directory_names_the_process_that_has_it() {
    let Some(binary) = binary() else { return };
    let site = Site::new();
    site.configure("1s", &[]);
    let server = site.server(&binary);
    let mut arguments = site.server_arguments();
    arguments.pop();
    arguments.push(format!("--web.listen-address=127.0.0.1:{}", wf_e2e::process::free_port().unwrap()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, out, err) = run(&binary, &arguments).unwrap();
    assert_eq!(code, 1, "{out}{err}");
    says(&(out + &err), &["lock", &server.id().to_string()]);
    assert_eq!(http::get(&format!("{}/-/healthy", server.base)).unwrap().status, 200, "the first goes on");
}

#[test]
fn a_data_directory_that_cannot_be_made_is_an_error() {
    let Some(binary) = binary() else { return };
    let site = Site::new();
    site.configure("1s", &[]);
    fs::write(site.data(), "a file, not a folder").unwrap();
    let error = site.try_server(&binary).unwrap_err().to_string();
    says(&error, &[&site.data().display().to_string()]);
}

#[test]
fn bad_queries_are_answered_as_prometheus_does() {
    let Some(binary) = binary() else { return };
    let site = Site::new();
    site.configure("1s", &[]);
    let server = site.server(&binary);
    let check = |path: &str, status: u16, kind: &str, parts: &[&str]| {
        let answer = http::get(&format!("{}/api/v1/{path}", server.base)).unwrap();
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        let body = answer.json().unwrap();
        assert_eq!((&body["status"], &body["errorType"]), (&"error".into(), &kind.into()), "{path}: {body}");
        says(body["error"].as_str().unwrap_or(""), parts);
    };
    check("query?query=sum(", 400, "bad_data", &["invalid parameter \"query\": 1:5: parse error"]);
    check("query?query=up%7Ba%3D~%22(%22%7D", 400, "bad_data", &["1:", "parse error"]);
    check("query?query=up&time=yesterday", 400, "bad_data", &["invalid parameter \"time\""]);
    check("query_range?query=up&start=10&end=5&step=1", 400, "bad_data", &["end timestamp"]);
    check(
        "query_range?query=up&start=0&end=20000&step=1",
        400,
        "bad_data",
        &["exceeded maximum resolution of 11,000 points"],
    );
    check("series", 400, "bad_data", &["no match[] parameter provided"]);
    check(
        "query_range?query=up&start=0&end=10&step=0",
        400,
        "bad_data",
        &["zero or negative query resolution step widths"],
    );
    let missing = http::get(&format!("{}/api/v1/no_such_endpoint", server.base)).unwrap();
    assert_eq!(missing.status, 404);
}

#[test]
fn a_query_over_its_limits_fails_without_harm() {
    let Some(binary) = binary() else { return };
    let site = Site::new();
    site.configure("1s", &[]);
    let server = site.server(&binary);
    let expr = http::encode("sum_over_time((vector(1))[10y:1ms])");
    let answer = http::get(&format!("{}/api/v1/query?query={expr}&timeout=5s", server.base)).unwrap();
    assert!(matches!(answer.status, 422 | 503), "{}: {}", answer.status, answer.body);
    assert_eq!(http::get(&format!("{}/-/healthy", server.base)).unwrap().status, 200);
}

#[test]
fn a_foreign_page_cannot_change_state() {
    let Some(binary) = binary() else { return };
    let site = Site::new();
    site.configure("1s", &[]);
    let server = site.server(&binary);
    let quit = format!("{}/-/quit", server.base);
    let foreign = http::post_form(&quit, &[], &[("Origin", "http://evil.example")]).unwrap();
    assert_eq!(foreign.status, 403, "{}", foreign.body);
    let rebound = http::post_form(&quit, &[], &[("Host", "evil.example")]).unwrap();
    assert_eq!(rebound.status, 403, "{}", rebound.body);
}
