//! `remote_write` and `remote_read`: read, checked and shown.
//!
//! # Source: `spec/prometheus-core.md` §3.

use std::collections::BTreeSet;

use wf_model::quote::GoQuoted;

use crate::relabel::OF_WRITES;
use crate::section::table::{flag, int, map, millis, record, rules, secret, secs, text};
use crate::section::{ClientBlock, Schema, Section};
use crate::yaml::reader::{At, Reader};

/// `queue_config`: how much is sent at a time.
static QUEUE: Schema = Schema {
    type_name: "config.QueueConfig",
    entry: "queue_config section",
    fields: &[
        int("capacity", 10_000),
        int("max_shards", 50),
        int("min_shards", 1),
        int("max_samples_per_send", 2000),
        secs("batch_send_deadline", 5),
        millis("min_backoff", 30),
        secs("max_backoff", 5),
        flag("retry_on_http_429", false),
        secs("sample_age_limit", 0),
    ],
    client: ClientBlock::None,
};

static METADATA: Schema = Schema {
    type_name: "config.MetadataConfig",
    entry: "metadata_config section",
    fields: &[flag("send", true), secs("send_interval", 60), int("max_samples_per_send", 2000)],
    client: ClientBlock::None,
};

/// `sigv4`: Amazon's signatures.
pub(crate) static SIGV4: Schema = Schema {
    type_name: "sigv4.plain",
    entry: "sigv4 section",
    fields: &[
        text("region", ""),
        text("access_key", ""),
        secret("secret_key"),
        text("profile", ""),
        text("role_arn", ""),
        text("external_id", ""),
        flag("use_fips_sts_endpoint", false),
        text("service_name", ""),
    ],
    client: ClientBlock::None,
};

static AZURE_IDENTITY: Schema = Schema {
    type_name: "azuread.ManagedIdentityConfig",
    entry: "managed_identity section",
    fields: &[text("client_id", "")],
    client: ClientBlock::None,
};

static AZURE_OAUTH: Schema = Schema {
    type_name: "azuread.OAuthConfig",
    entry: "oauth section",
    fields: &[text("client_id", ""), secret("client_secret"), text("tenant_id", "")],
    client: ClientBlock::None,
};

static AZURE_SDK: Schema = Schema {
    type_name: "azuread.SDKConfig",
    entry: "sdk section",
    fields: &[text("tenant_id", "")],
    client: ClientBlock::None,
};

static AZURE_WORKLOAD: Schema = Schema {
    type_name: "azuread.WorkloadIdentityConfig",
    entry: "workload_identity section",
    fields: &[text("client_id", ""), text("tenant_id", ""), text("token_file_path", "")],
    client: ClientBlock::None,
};

static AZURE: Schema = Schema {
    type_name: "azuread.plain",
    entry: "azuread section",
    fields: &[
        record("managed_identity", &AZURE_IDENTITY),
        record("oauth", &AZURE_OAUTH),
        record("sdk", &AZURE_SDK),
        record("workload_identity", &AZURE_WORKLOAD),
        text("cloud", ""),
        text("scope", ""),
    ],
    client: ClientBlock::None,
};

static GOOGLE: Schema = Schema {
    type_name: "googleiam.Config",
    entry: "google_iam section",
    fields: &[text("credentials_file", "")],
    client: ClientBlock::None,
};

/// An entry of `remote_write`.
pub static WRITE: Schema = Schema {
    type_name: "config.plain",
    entry: "remote write config section",
    fields: &[
        text("url", ""),
        text("protobuf_message", "prometheus.WriteRequest"),
        secs("remote_timeout", 30),
        map("headers"),
        rules("write_relabel_configs", OF_WRITES),
        text("name", ""),
        flag("send_exemplars", false),
        flag("send_native_histograms", false),
        flag("round_robin_dns", false),
        flag("failed_request_logging", false),
        record("queue_config", &QUEUE),
        record("metadata_config", &METADATA),
        record("sigv4", &SIGV4),
        record("azuread", &AZURE),
        record("google_iam", &GOOGLE),
    ],
    client: ClientBlock::InlineHttp1,
};

/// An entry of `remote_read`.
pub static READ: Schema = Schema {
    type_name: "config.plain",
    entry: "remote read config section",
    fields: &[
        text("url", ""),
        text("name", ""),
        secs("remote_timeout", 60),
        map("headers"),
        flag("read_recent", false),
        map("required_matchers"),
        flag("filter_external_labels", true),
        int("chunked_read_limit", 50_000_000),
    ],
    client: ClientBlock::Inline,
};

/// Refuses headers that the protocol sets itself.
pub(crate) fn check_headers<'a>(mut names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    match names.find(|name| wf_httpkit::client::is_reserved_header(name)) {
        Some(name) if name.eq_ignore_ascii_case("authorization") => Err(
            "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread \
                 or google_iam parameter"
                .to_owned(),
        ),
        Some(name) => Err(format!("{name} is a reserved header. It must not be changed")),
        None => Ok(()),
    }
}

/// Checks both lists; each is found at its key.
pub(crate) fn check(writes: &[At<Section>], reads: &[At<Section>], reader: &mut Reader) {
    check_list(writes, "remote_write", "remote write configs with job name", check_write, reader);
    check_list(reads, "remote_read", "remote read configs with job name", check_read, reader);
}

fn check_list(
    list: &[At<Section>],
    key: &str,
    plural: &str,
    check: impl Fn(&Section) -> Result<(), String>,
    reader: &mut Reader,
) {
    let mut names = BTreeSet::new();
    for (idx, at) in list.iter().enumerate() {
        let name = at.value.text("name");
        let mut problems = Vec::new();
        problems.extend(check(&at.value).err());
        problems.extend(check_headers(at.value.map("headers").keys().map(String::as_str)).err());
        if !name.is_empty() && !names.insert(name.clone()) {
            problems.push(format!("found multiple {plural} {}", GoQuoted(&name)));
        }
        reader.inside(format!(".{key}[{idx}]"), |reader| {
            for problem in problems {
                reader.report(at.position, problem);
            }
        });
    }
}

fn check_read(read: &Section) -> Result<(), String> {
    if read.text("url").is_empty() {
        return Err("url for remote_read is empty".to_owned());
    }
    crate::url::check(&read.text("url"))
}

fn check_write(write: &Section) -> Result<(), String> {
    if write.text("url").is_empty() {
        return Err("url for remote_write is empty".to_owned());
    }
    crate::url::check(&write.text("url"))?;
    let message = write.text("protobuf_message");
    if !matches!(message.as_str(), "prometheus.WriteRequest" | "io.prometheus.write.v2.Request") {
        return Err(format!(
            "invalid protobuf_message value: unknown type for remote write protobuf message {message}, supported: \
             prometheus.WriteRequest, io.prometheus.write.v2.Request"
        ));
    }
    write.record("queue_config").map_or(Ok(()), |queue| check_queue(&queue))?;
    let client = &write.client;
    let kinds = [
        client.basic_auth.is_some(),
        client.authorization.is_some(),
        client.oauth2.is_some(),
        write.is_set("sigv4"),
        write.is_set("azuread"),
        write.is_set("google_iam"),
    ];
    if kinds.into_iter().filter(|is_set| *is_set).count() > 1 {
        return Err(
            "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be \
                    configured"
                .to_owned(),
        );
    }
    Ok(())
}

fn check_queue(queue: &Section) -> Result<(), String> {
    for name in ["capacity", "max_shards", "min_shards", "max_samples_per_send"] {
        if queue.int(name) <= 0 {
            return Err(format!("remote write queue {name} must be positive"));
        }
    }
    if queue.int("min_shards") > queue.int("max_shards") {
        return Err("remote write queue min_shards must not be greater than max_shards".to_owned());
    }
    for name in ["batch_send_deadline", "min_backoff", "max_backoff"] {
        if queue.time(name).is_zero() {
            return Err(format!("remote write queue {name} must be positive"));
        }
    }
    if queue.time("min_backoff") > queue.time("max_backoff") {
        return Err("remote write queue min_backoff must not be greater than max_backoff".to_owned());
    }
    Ok(())
}
