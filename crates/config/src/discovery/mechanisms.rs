//! The mechanisms this program does: their fields and defaults.

use super::{Mechanism, checks};
use crate::section::table::{flag, int, map, records, secret, secs, text, texts};
use crate::section::{ClientBlock, Field, Schema};

const fn schema(type_name: &'static str, client: ClientBlock, fields: &'static [Field]) -> Schema {
    Schema { type_name, entry: "service discovery config", fields, client }
}

static FILTER: Schema = Schema {
    type_name: "moby.Filter",
    entry: "filter",
    fields: &[text("name", ""), texts("values")],
    client: ClientBlock::None,
};

const fn available(
    name: &'static str,
    key: &'static str,
    check: fn(&crate::section::Section) -> Result<(), String>,
    schema: Schema,
) -> Mechanism {
    Mechanism { name, key, is_available: true, schema, check }
}

/// Fields that `docker` and `dockerswarm` share stand in both.
pub(super) static ALL: &[Mechanism] = &[
    available(
        "consul",
        "consul_sd_configs",
        checks::consul,
        schema(
            "consul.plain",
            ClientBlock::Inline,
            &[
                text("server", "localhost:8500"),
                text("path_prefix", ""),
                secret("token"),
                text("datacenter", ""),
                text("namespace", ""),
                text("partition", ""),
                text("tag_separator", ","),
                text("scheme", "http"),
                text("username", ""),
                secret("password"),
                flag("allow_stale", true),
                secs("refresh_interval", 30),
                texts("services"),
                texts("tags"),
                map("node_meta"),
                text("filter", ""),
                text("health_filter", ""),
            ],
        ),
    ),
    available(
        "dns",
        "dns_sd_configs",
        checks::dns,
        schema(
            "dns.plain",
            ClientBlock::None,
            &[texts("names"), secs("refresh_interval", 30), text("type", "SRV"), int("port", 0)],
        ),
    ),
    available(
        "docker",
        "docker_sd_configs",
        checks::docker,
        schema(
            "moby.plain",
            ClientBlock::Inline,
            &[
                text("host", ""),
                int("port", 80),
                records("filters", &FILTER),
                text("host_networking_host", "localhost"),
                secs("refresh_interval", 60),
                flag("match_first_network", true),
            ],
        ),
    ),
    available(
        "dockerswarm",
        "dockerswarm_sd_configs",
        checks::dockerswarm,
        schema(
            "moby.plain",
            ClientBlock::Inline,
            &[
                text("host", ""),
                text("role", ""),
                int("port", 80),
                records("filters", &FILTER),
                secs("refresh_interval", 60),
            ],
        ),
    ),
    available(
        "etcd",
        "etcd_sd_configs",
        checks::etcd,
        schema(
            "etcd.plain",
            ClientBlock::Inline,
            &[
                texts("endpoints"),
                text("prefix", ""),
                text("username", ""),
                secret("password"),
                secs("refresh_interval", 30),
            ],
        ),
    ),
    available(
        "eureka",
        "eureka_sd_configs",
        checks::eureka,
        schema("eureka.plain", ClientBlock::Inline, &[text("server", ""), secs("refresh_interval", 30)]),
    ),
    available(
        "file",
        "file_sd_configs",
        checks::file,
        schema("file.plain", ClientBlock::None, &[FILES, secs("refresh_interval", 300)]),
    ),
    available(
        "http",
        "http_sd_configs",
        checks::http,
        schema("http.plain", ClientBlock::Inline, &[secs("refresh_interval", 60), text("url", "")]),
    ),
    available(
        "nerve",
        "nerve_sd_configs",
        checks::nerve,
        schema("zookeeper.plain", ClientBlock::None, ZOOKEEPER),
    ),
    available(
        "serverset",
        "serverset_sd_configs",
        checks::serverset,
        schema("zookeeper.plain", ClientBlock::None, ZOOKEEPER),
    ),
];

/// Paths: they are relative to the file they stand in.
const FILES: Field = Field { name: "files", kind: crate::section::Kind::Paths };

const ZOOKEEPER: &[Field] = &[texts("servers"), texts("paths"), secs("timeout", 10)];
