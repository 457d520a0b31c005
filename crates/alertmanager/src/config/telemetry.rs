//! `tracing` and `event_recorder`: what the original tells about itself. Both are read and checked, so that a file made for it
//! loads; neither is acted upon, which is said when the file is loaded.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A1.8, §A18.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use wf_config::yaml::Node;
use wf_config::yaml::reader::{FromYaml, Reader, read_fields};
use wf_httpkit::Secret;

use super::section::{HttpConfig, Millis, SecretUrl, TlsConfig, section};

section! {
    /// `tracing`: where traces are sent.
    pub(crate) struct Tracing("config.plain") {
        pub(crate) client_type: String = "grpc".to_owned(),
        pub(crate) endpoint: String = String::new(),
        pub(crate) sampling_fraction: f64 = 0.0,
        pub(crate) insecure: bool = false,
        pub(crate) tls_config: Option<TlsConfig> = None,
        pub(crate) headers: BTreeMap<String, Secret<String>> = BTreeMap::new(),
        pub(crate) compression: String = String::new(),
        pub(crate) timeout: Millis = Millis::default(),
    }
}

section! {
    /// `event_recorder`: where events are written.
    pub(crate) struct EventRecorder("config.plain") {
        pub(crate) file_outputs: Vec<FileOutput> = Vec::new(),
        pub(crate) stdout_outputs: Vec<StdoutOutput> = Vec::new(),
        pub(crate) webhook_outputs: Vec<WebhookOutput> = Vec::new(),
        pub(crate) kafka_outputs: Vec<KafkaOutput> = Vec::new(),
    }
}

section! {
    /// A file of lines of JSON.
    pub(crate) struct FileOutput("config.plain") {
        pub(crate) path: String = String::new(),
    }
}

/// Standard output, of which there is nothing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct StdoutOutput {}

impl FromYaml for StdoutOutput {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        read_fields(node, reader, "config.plain", &[], |_, _, _| false)?;
        Some(Self {})
    }

    fn from_null(_: &Node, _: &mut Reader) -> Option<Self> {
        Some(Self {})
    }
}

section! {
    /// A server that takes events.
    pub(crate) struct WebhookOutput("config.plain") {
        pub(crate) url: SecretUrl = SecretUrl::default(),
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) timeout: Millis = Millis(Duration::from_secs(10)),
        pub(crate) workers: u64 = 4,
        pub(crate) max_retries: u64 = 3,
        pub(crate) retry_backoff: Millis = Millis(Duration::from_millis(500)),
        pub(crate) batch: bool = false,
        pub(crate) batch_max_events: u64 = 100,
        pub(crate) batch_max_bytes: u64 = 1 << 20,
        pub(crate) batch_flush_interval: Millis = Millis(Duration::from_millis(100)),
    }
}

section! {
    /// A topic of Kafka.
    pub(crate) struct KafkaOutput("config.plain") {
        pub(crate) brokers: Vec<String> = Vec::new(),
        pub(crate) topic: String = String::new(),
        pub(crate) client_id: String = "alertmanager".to_owned(),
        pub(crate) format: String = "json".to_owned(),
        pub(crate) acks: String = "leader".to_owned(),
        pub(crate) compression: String = String::new(),
        pub(crate) buffer_size: u64 = 1024,
        pub(crate) tls_config: Option<TlsConfig> = None,
    }
}

impl Tracing {
    pub(super) fn check(&self) -> Result<(), String> {
        let refused = [
            (self.endpoint.is_empty(), "tracing endpoint must be set".to_owned()),
            (
                !matches!(self.client_type.as_str(), "grpc" | "http"),
                format!("tracing client_type {:?}: expected grpc or http", self.client_type),
            ),
            (
                !matches!(self.compression.as_str(), "" | "gzip"),
                format!("tracing compression {:?}: expected gzip or nothing", self.compression),
            ),
            (
                !(0.0..=1.0).contains(&self.sampling_fraction),
                format!("tracing sampling_fraction {}: expected 0 to 1", self.sampling_fraction),
            ),
        ];
        first_of(refused)
    }
}

impl EventRecorder {
    pub(super) fn check(&self) -> Result<(), String> {
        let kafka = |output: &KafkaOutput| {
            first_of([
                (output.brokers.is_empty(), "event_recorder: kafka output without brokers".to_owned()),
                (output.topic.is_empty(), "event_recorder: kafka output without a topic".to_owned()),
                (
                    !matches!(output.format.as_str(), "json" | "protobuf"),
                    format!("event_recorder: kafka format {:?}: expected json or protobuf", output.format),
                ),
                (
                    !matches!(output.acks.as_str(), "none" | "leader" | "all"),
                    format!("event_recorder: kafka acks {:?}: expected none, leader or all", output.acks),
                ),
            ])
        };
        let has_no_path = self.file_outputs.iter().any(|output| output.path.is_empty());
        let has_no_url = self.webhook_outputs.iter().any(|output| output.url.0.reveal().is_empty());
        first_of([
            (has_no_path, "event_recorder: file output without a path".to_owned()),
            (has_no_url, "event_recorder: webhook output without a url".to_owned()),
        ])?;
        self.kafka_outputs.iter().try_for_each(kafka)
    }
}

fn first_of<const N: usize>(refused: [(bool, String); N]) -> Result<(), String> {
    match refused.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, why)) => Err(why),
        None => Ok(()),
    }
}
