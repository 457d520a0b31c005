//! Programs of others in Python: a client library gets the same from us and the original, and schemathesis holds us to our
//! OpenAPI document.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use wf_e2e::process::{Server, eventually, free_port};
use wf_e2e::skip::{binary, python};
use wf_e2e::{figure, http};

use crate::grafana::Twins;
use crate::setup::Site;

fn call(python: &Path, base: &str, twins: &Twins, more: &[&str]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/python/client.py");
    let output = Command::new(python)
        .arg(script)
        .args([base, &twins.start_s.to_string(), &twins.end_s.to_string()])
        .args(more)
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_client_library_gets_the_same_from_us_and_the_original() {
    let (Some(python), Some(twins)) = (python(), Twins::start()) else { return };
    let ours = call(&python, &twins.ours.base, &twins, &[]);
    let mut theirs = call(&python, &twins.theirs.base, &twins, &["no-front-page"]);
    // 2.42 has no list of pools: the library says nothing then.
    theirs["scrape_pools"] = ours["scrape_pools"].clone();
    for (name, value) in ours.as_object().unwrap() {
        assert!(!matches!(value, Value::Null | Value::Bool(false)), "{name}");
        let found = crate::grafana::difference(value, &theirs[name], name);
        assert_eq!(found, None);
    }
    assert_eq!(ours["scrape_pools"], serde_json::json!(["live"]));
    figure("methods of prometheus-api-client with equal answers", ours.as_object().unwrap().len());
}

/// How much schemathesis tries: the edges of each parameter, and in the long form whatever it can think of.
fn effort() -> [&'static str; 4] {
    match std::env::var_os("WF_SOAK") {
        None => ["--phases", "coverage", "--max-examples", "1"],
        Some(_) => ["--phases", "coverage,fuzzing,stateful", "--max-examples", "300"],
    }
}

/// Fewer test cases than this show nothing.
const N_CASES_MIN: usize = 500;

/// A query that may take no time at all has timed out: 503, as in the original.
const SETTINGS: &str =
    "[checks]\nnot_a_server_error.expected-statuses = [\"2xx\", \"3xx\", \"4xx\", \"503\"]\n";

/// What is checked. Not that every request which the document allows succeeds: a schema cannot say what PromQL is.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,negative_data_rejection,unsupported_method";

#[test]
fn schemathesis_finds_no_violation_of_the_document() {
    let (Some(binary), Some(python)) = (binary(), python()) else { return };
    let site = Site::new();
    fs::write(site.path("prometheus.yml"), "").unwrap();
    fs::write(site.path("schemathesis.toml"), SETTINGS).unwrap();
    let port = free_port().unwrap();
    let arguments = [
        "server".to_owned(),
        format!("--config.file={}", site.path("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", site.data().display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--web.enable-admin-api".to_owned(),
        "--enable-feature=search-api,exemplar-storage".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = Server::start(&binary, &arguments, port, &site.path("log")).unwrap();
    let log = fs::File::create(site.path("schemathesis.log")).unwrap();
    let mut child = Command::new(python)
        .args(["-m", "schemathesis.cli", "run", &format!("{}/api/v1/openapi.yaml", server.base)])
        .args(["--url", &format!("{}/api/v1", server.base), "--checks", CHECKS])
        // Events end with the server.
        .args(["--exclude-path", "/notifications/live", "--seed", "20260701", "--no-color"])
        .args(effort())
        .args(["--generation-database", "none", "--continue-on-failure", "--request-timeout", "240"])
        // It would fail on a machine that makes test cases slowly.
        .args(["--suppress-health-check", "all"])
        .args(["--warnings", "off"])
        .env("NO_PROXY", "127.0.0.1")
        .current_dir(site.path(""))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    // An hour in the long form; the short one takes seconds on a machine that has nothing else to do.
    let has_ended = eventually(Duration::from_secs(3_600), || child.try_wait().unwrap().is_some());
    if !has_ended {
        child.kill().unwrap();
    }
    let succeeded = child.wait().unwrap().success();
    let text = fs::read_to_string(site.path("schemathesis.log")).unwrap();
    assert!(has_ended && succeeded, "{text}\n{}", server.log_text());
    let generated = text.split(" generated").next().and_then(|before| before.rsplit(' ').next());
    let n_cases: usize =
        generated.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("{text}"));
    assert!(n_cases >= N_CASES_MIN, "{text}");
    figure("schemathesis: test cases without a violation", n_cases);
    assert_eq!(http::get(&format!("{}/-/ready", server.base)).unwrap().status, 200);
}
