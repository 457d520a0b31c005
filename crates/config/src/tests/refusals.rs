//! What is refused, in the original's words.
//!
//! # Source
//! Debian's prometheus 2.42, asked for each of these; where 3.14 differs, `spec/prometheus-core.md` §2.

use super::{load, problems};

fn check(section: &str, want: &str) {
    let found = problems(&format!("scrape_configs:\n- job_name: a\n  {section}\n"));
    assert!(found.len() == 1 && found[0].contains(want), "{section}: want {want}, got {found:?}");
}

#[test]
fn clients_that_contradict_themselves() {
    check("oauth2: {client_secret: b, token_url: 'http://a'}", "oauth2 client_id must be configured");
    check("oauth2: {client_id: a, client_secret: b}", "oauth2 token_url must be configured");
    check(
        "oauth2: {client_id: a, client_secret: b, client_secret_file: c, token_url: 'http://a'}",
        "at most one of oauth2 client_secret & client_secret_file must be configured",
    );
    check(
        "proxy_connect_header: {a: [b]}",
        "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
    );
    check("tls_config: {ca: a, ca_file: b}", "at most one of ca and ca_file must be configured");
    check(
        "tls_config: {cert_file: a}",
        "exactly one of key or key_file must be configured when a client certificate is configured",
    );
    check(
        "tls_config: {key_file: a}",
        "exactly one of cert or cert_file must be configured when a client key is configured",
    );
    check(
        "http_headers: {accept-encoding: {values: [a]}}",
        "setting header \"accept-encoding\" is not allowed",
    );
}

#[test]
fn sections_of_discovery() {
    check(
        "marathon_sd_configs: [{servers: [a], auth_token: b, basic_auth: {username: c}}]",
        "marathon_sd: at most one of basic_auth, auth_token & auth_token_file must be configured",
    );
    check(
        "marathon_sd_configs: [{servers: [a], auth_token_file: b, bearer_token: c}]",
        "marathon_sd: at most one of bearer_token, bearer_token_file, auth_token & auth_token_file must be configured",
    );
    check(
        "marathon_sd_configs: [{servers: [a], auth_token: b, authorization: {credentials: c}}]",
        "marathon_sd: at most one of auth_token, auth_token_file & authorization must be configured",
    );
    check("scaleway_sd_configs: [{role: instance, access_key: a, secret_key: b}]", "project_id is mandatory");
    check("scaleway_sd_configs: [{role: instance, project_id: a, secret_key: b}]", "access_key is mandatory");
    check(
        "scaleway_sd_configs: [{role: instance, project_id: a, access_key: b}]",
        "one of secret_key & secret_key_file must be configured",
    );
    check("triton_sd_configs: [{account: a}]", "triton SD configuration requires a dns_suffix");
    check("uyuni_sd_configs: [{username: a}]", "Uyuni SD configuration requires server host");
    check(
        "uyuni_sd_configs: [{server: 'http://a', username: b}]",
        "Uyuni SD configuration requires a password",
    );
    check("kuma_sd_configs: [{server: abc}]", "kuma SD server must not be empty and have a scheme: abc");
    check("eureka_sd_configs: [{server: abc}]", "eureka_sd: invalid eureka server URL");
    check("lightsail_sd_configs: [{foo: a}]", "field foo not found in type aws.plain");
    check("linode_sd_configs: [{foo: a}]", "field foo not found in type linode.plain");
}

#[test]
fn selectors_of_kubernetes() {
    let job = |selector: &str| {
        format!("kubernetes_sd_configs: [{{role: pod, selectors: [{{role: pod, {selector}}}]}}]")
    };
    check(
        &job("field: metadata.status-Running"),
        "invalid selector: 'metadata.status-Running'; can't understand 'metadata.status-Running'",
    );
    check(&job("label: 'a in (b'"), "unable to parse requirement: expected ')'");
    check(&job("label: 'a, =b'"), "unable to parse requirement: expected the name of a label");
    let fine = job("field: 'a=b,c!=d', label: 'a in (b, c), !d, e'");
    let text = format!("scrape_configs:\n- job_name: a\n  {fine}\n");
    assert!(load(&text, "p.yml".as_ref()).is_ok());
}

#[test]
fn rules_that_take_no_replacement() {
    check(
        "relabel_configs: [{action: dropequal, source_labels: [a], target_label: b, replacement: c}]",
        "'replacement' can not be set for dropequal action",
    );
}

#[test]
fn addresses_that_are_no_urls() {
    for key in ["remote_write", "remote_read"] {
        let found = problems(&format!("{key}: [{{url: 'ht tp://a'}}]\n"));
        let want = "parse \"ht tp://a\": first path segment in URL cannot contain colon";
        assert!(found.len() == 1 && found[0].contains(want), "{found:?}");
    }
}
