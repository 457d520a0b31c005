//! Issue 6: the Prometheus server as its clients know it.

use anyhow::Result;

use super::clone::Clone;
use super::{Line, bench};

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
    Ok(vec![
        logs.line(
            "what Grafana's data source asks is answered as by prometheus 2.42",
            &["the_data_source_of_grafana_gets_the_answers_of_the_original"],
            &[
                "requests of Grafana's data source answered as by prometheus 2.42",
                "requests of Grafana's data source that both refuse",
                "requests of Grafana's data source with a limit that 2.42 ignores and we keep",
            ],
        ),
        logs.line(
            "the API keeps its OpenAPI document; schemathesis finds no 5xx and no violation",
            &[
                "every_operation_keeps_the_contract_of_the_document",
                "every_route_is_described_and_nothing_else",
                "schemathesis_finds_no_violation_of_the_document",
            ],
            &["schemathesis: test cases without a violation"],
        ),
        logs.line(
            "Debian's prometheus federates from us and we from it",
            &["samples_pass_through_three_servers_unchanged"],
            &[],
        ),
        logs.line(
            "Debian's promtool query and Python's prometheus-api-client work against us",
            &[
                "questions_are_answered_as_by_the_original",
                "the_client_library_gets_the_same_from_us_and_the_original",
            ],
            &["methods of prometheus-api-client with equal answers"],
        ),
        logs.line(
            "every page a browser could be tricked into posting to is refused; TLS and authentication",
            &HOSTILE,
            &["requests of strangers' pages refused"],
        ),
        logs.line(
            "1,000 slow clients do not keep a query waiting",
            &[
                "a_thousand_slow_clients_do_not_keep_a_query_waiting",
                "who_is_silent_is_cut_after_the_read_timeout",
            ],
            &["slow clients beside which a query is answered"],
        ),
        bench::line(&clone, "figures beside prometheus 2.42", &["api"])?,
        suite,
    ])
}

/// Tests of who may not.
const HOSTILE: [&str; 9] = [
    "no_page_of_a_stranger_changes_anything",
    "every_path_wants_the_password",
    "listening_beyond_the_machine_without_a_password_is_warned_of",
    "a_loopback_listener_answers_only_to_local_names",
    "a_name_that_a_stranger_could_own_changes_nothing",
    "clients_get_in_with_the_certificate_that_is_asked_for",
    "versions_and_curves_are_those_that_are_asked_for",
    "only_certificates_with_an_allowed_name_get_in",
    "only_users_with_their_password_get_in_and_headers_are_set",
];
