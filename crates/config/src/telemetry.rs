//! `runtime`, `otlp` and `tracing`: what a reload can change about the process and about data that is sent to us.

use std::collections::BTreeSet;

use crate::remote::check_headers;
use crate::section::table::{flag, float, int, map, path, record, secret, secs, text, texts};
use crate::section::{ClientBlock, Schema, Section};

/// `runtime`: settings of Go's runtime. They are read, shown, and mean nothing here.
pub static RUNTIME: Schema = Schema {
    type_name: "config.plain",
    entry: "runtime section",
    fields: &[int("gogc", 75)],
    client: ClientBlock::None,
};

/// `otlp`: how metrics sent by OpenTelemetry become series.
pub static OTLP: Schema = Schema {
    type_name: "config.plain",
    entry: "otlp section",
    fields: &[
        flag("promote_all_resource_attributes", false),
        texts("promote_resource_attributes"),
        texts("ignore_resource_attributes"),
        text("translation_strategy", "UnderscoreEscapingWithSuffixes"),
        flag("keep_identifying_resource_attributes", false),
        flag("convert_histograms_to_nhcb", false),
        flag("promote_scope_metadata", false),
        flag("label_name_underscore_sanitization", true),
        flag("label_name_preserve_multiple_underscores", true),
    ],
    client: ClientBlock::None,
};

static TLS: Schema = Schema {
    type_name: "config.TLSConfig",
    entry: "tls_config section",
    fields: &[
        text("ca", ""),
        path("ca_file"),
        text("cert", ""),
        path("cert_file"),
        secret("key"),
        path("key_file"),
        text("server_name", ""),
        flag("insecure_skip_verify", false),
        text("min_version", ""),
        text("max_version", ""),
    ],
    client: ClientBlock::None,
};

/// `tracing`: where the original sends traces of itself.
pub static TRACING: Schema = Schema {
    type_name: "config.plain",
    entry: "tracing section",
    fields: &[
        text("client_type", "grpc"),
        text("endpoint", ""),
        float("sampling_fraction", 0.0),
        flag("insecure", false),
        record("tls_config", &TLS),
        map("headers"),
        text("compression", ""),
        secs("timeout", 10),
    ],
    client: ClientBlock::None,
};

const STRATEGIES: [&str; 4] = [
    "UnderscoreEscapingWithSuffixes",
    "UnderscoreEscapingWithoutSuffixes",
    "NoUTF8EscapingWithSuffixes",
    "NoTranslation",
];

/// Checks `otlp`; `is_legacy` tells whether names must be of the legacy scheme.
pub(crate) fn check_otlp(section: &Section, is_legacy: bool) -> Result<(), String> {
    let promotes_all = section.flag("promote_all_resource_attributes");
    let promoted = section.texts("promote_resource_attributes");
    let ignored = section.texts("ignore_resource_attributes");
    if promotes_all && !promoted.is_empty() {
        return Err(
            "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured \
                    simultaneously"
                .to_owned(),
        );
    }
    if !promotes_all && !ignored.is_empty() {
        return Err(
            "'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' \
                    is true"
                .to_owned(),
        );
    }
    check_attributes(&promoted, "promote_resource_attributes")?;
    check_attributes(&ignored, "ignore_resource_attributes")?;
    let strategy = section.text("translation_strategy");
    if !STRATEGIES.contains(&strategy.as_str()) {
        return Err(format!(
            "unsupported OTLP translation strategy {strategy:?}: use one of {}",
            STRATEGIES.join(", ")
        ));
    }
    if is_legacy && strategy.starts_with("No") {
        return Err(format!("OTLP translation strategy {strategy:?} is not allowed when UTF8 is disabled"));
    }
    Ok(())
}

fn check_attributes(names: &[String], key: &str) -> Result<(), String> {
    let mut known = BTreeSet::new();
    for name in names.iter().map(|name| name.trim()) {
        if name.is_empty() {
            return Err(format!("invalid '{key}': empty OTel resource attribute"));
        }
        if !known.insert(name) {
            return Err(format!("invalid '{key}': duplicated OTel resource attribute {name:?}"));
        }
    }
    Ok(())
}

pub(crate) fn check_tracing(section: &Section) -> Result<(), String> {
    let client = section.text("client_type");
    if !matches!(client.as_str(), "grpc" | "http") {
        return Err(format!("expected tracing client type to be \"http\" or \"grpc\", but got {client}"));
    }
    if section.text("endpoint").is_empty() {
        return Err("tracing endpoint must be set".to_owned());
    }
    let headers = section.map("headers");
    if headers.keys().any(|name| name.eq_ignore_ascii_case("authorization")) {
        return Err("custom authorization header configuration is not yet supported".to_owned());
    }
    check_headers(headers.keys().map(String::as_str))?;
    match section.text("compression").as_str() {
        "" | "gzip" => Ok(()),
        other => Err(format!("invalid compression type {other} provided, valid options: gzip")),
    }
}
