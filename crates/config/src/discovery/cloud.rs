//! Mechanisms that only load: their fields, so that a configuration that names them is read, checked and shown.

use super::{Mechanism, checks};
use crate::section::table::{flag, int, path, record, records, secret, secs, text, texts};
use crate::section::{ClientBlock, Field, Schema, Section};

const fn not_yet(
    name: &'static str,
    key: &'static str,
    type_name: &'static str,
    check: fn(&Section) -> Result<(), String>,
    fields: &'static [Field],
) -> Mechanism {
    let schema = Schema { type_name, entry: "service discovery config", fields, client: ClientBlock::Inline };
    Mechanism { name, key, is_available: false, schema, check }
}

static FILTER: Schema = Schema {
    type_name: "ec2.Filter",
    entry: "filter",
    fields: &[text("name", ""), texts("values")],
    client: ClientBlock::None,
};

/// The family shares its fields: accounts, what to look at, and how hard.
const AWS: &[Field] = &[
    text("role", ""),
    text("endpoint", ""),
    text("region", ""),
    text("access_key", ""),
    secret("secret_key"),
    text("profile", ""),
    text("role_arn", ""),
    text("external_id", ""),
    texts("clusters"),
    texts("instances"),
    secs("refresh_interval", 60),
    int("port", 80),
    int("request_concurrency", 20),
    records("filters", &FILTER),
];

static NAMESPACES: Schema = Schema {
    type_name: "kubernetes.plain",
    entry: "namespaces section",
    fields: &[flag("own_namespace", false), texts("names")],
    client: ClientBlock::None,
};

static SELECTOR: Schema = Schema {
    type_name: "kubernetes.plain",
    entry: "selector",
    fields: &[text("role", ""), text("label", ""), text("field", "")],
    client: ClientBlock::None,
};

static ATTACH_METADATA: Schema = Schema {
    type_name: "kubernetes.plain",
    entry: "attach_metadata section",
    fields: &[
        flag("node", false),
        flag("namespace", false),
        flag("deployment", false),
        flag("job", false),
        flag("cronjob", false),
    ],
    client: ClientBlock::None,
};

pub(super) static ALL: &[Mechanism] = &[
    not_yet("aws", "aws_sd_configs", "aws.plain", checks::aws, AWS),
    not_yet(
        "azure",
        "azure_sd_configs",
        "azure.plain",
        checks::azure,
        &[
            text("environment", "AzurePublicCloud"),
            int("port", 80),
            text("subscription_id", ""),
            text("tenant_id", ""),
            text("client_id", ""),
            secret("client_secret"),
            secs("refresh_interval", 300),
            text("authentication_method", "OAuth"),
            text("resource_group", ""),
        ],
    ),
    not_yet(
        "digitalocean",
        "digitalocean_sd_configs",
        "digitalocean.plain",
        checks::none,
        &[text("role", "droplets"), secs("refresh_interval", 60), int("port", 80)],
    ),
    not_yet("ec2", "ec2_sd_configs", "aws.plain", checks::ec2, AWS),
    not_yet("ecs", "ecs_sd_configs", "aws.plain", checks::none, AWS),
    not_yet("elasticache", "elasticache_sd_configs", "aws.plain", checks::none, AWS),
    not_yet(
        "gce",
        "gce_sd_configs",
        "gce.plain",
        checks::gce,
        &[
            text("project", ""),
            text("zone", ""),
            text("filter", ""),
            secs("refresh_interval", 60),
            int("port", 80),
            text("tag_separator", ","),
        ],
    ),
    not_yet(
        "hetzner",
        "hetzner_sd_configs",
        "hetzner.plain",
        checks::hetzner,
        &[text("role", ""), text("label_selector", ""), secs("refresh_interval", 60), int("port", 80)],
    ),
    not_yet(
        "ionos",
        "ionos_sd_configs",
        "ionos.plain",
        checks::ionos,
        &[text("datacenter_id", ""), secs("refresh_interval", 60), int("port", 80)],
    ),
    not_yet(
        "kubernetes",
        "kubernetes_sd_configs",
        "kubernetes.plain",
        checks::kubernetes,
        &[
            text("api_server", ""),
            text("role", ""),
            path("kubeconfig_file"),
            record("namespaces", &NAMESPACES),
            records("selectors", &SELECTOR),
            record("attach_metadata", &ATTACH_METADATA),
        ],
    ),
    not_yet(
        "kuma",
        "kuma_sd_configs",
        "xds.plain",
        checks::kuma,
        &[
            text("server", ""),
            secs("refresh_interval", 15),
            secs("fetch_timeout", 120),
            text("client_id", ""),
        ],
    ),
    not_yet("lightsail", "lightsail_sd_configs", "aws.plain", checks::none, AWS),
    not_yet(
        "linode",
        "linode_sd_configs",
        "linode.plain",
        checks::none,
        &[text("region", ""), secs("refresh_interval", 60), int("port", 80), text("tag_separator", ",")],
    ),
    not_yet(
        "marathon",
        "marathon_sd_configs",
        "marathon.plain",
        checks::marathon,
        &[texts("servers"), secs("refresh_interval", 30), secret("auth_token"), path("auth_token_file")],
    ),
    not_yet("msk", "msk_sd_configs", "aws.plain", checks::none, AWS),
    not_yet(
        "nomad",
        "nomad_sd_configs",
        "nomad.plain",
        checks::nomad,
        &[
            flag("allow_stale", true),
            text("namespace", "default"),
            secs("refresh_interval", 60),
            text("region", "global"),
            text("server", "http://localhost:4646"),
            text("tag_separator", ","),
        ],
    ),
    not_yet(
        "oci",
        "oci_sd_configs",
        "oci.plain",
        checks::none,
        &[
            text("authentication_method", ""),
            text("tenancy", ""),
            text("user", ""),
            text("fingerprint", ""),
            path("key_file"),
            secret("key_passphrase"),
            text("region", ""),
            texts("compartments"),
            secs("refresh_interval", 60),
            int("port", 80),
        ],
    ),
    not_yet("openstack", "openstack_sd_configs", "openstack.plain", checks::openstack, OPENSTACK),
    not_yet(
        "outscale",
        "outscale_sd_configs",
        "outscale.plain",
        checks::outscale,
        &[
            text("region", ""),
            text("endpoint", ""),
            text("access_key", ""),
            secret("secret_key"),
            path("secret_key_file"),
            secs("refresh_interval", 60),
            int("port", 80),
        ],
    ),
    not_yet(
        "ovhcloud",
        "ovhcloud_sd_configs",
        "ovhcloud.plain",
        checks::ovhcloud,
        &[
            text("endpoint", "ovh-eu"),
            text("application_key", ""),
            secret("application_secret"),
            secret("consumer_key"),
            secs("refresh_interval", 60),
            text("service", ""),
        ],
    ),
    not_yet(
        "puppetdb",
        "puppetdb_sd_configs",
        "puppetdb.plain",
        checks::puppetdb,
        &[
            secs("refresh_interval", 60),
            text("url", ""),
            text("query", ""),
            flag("include_parameters", false),
            int("port", 80),
        ],
    ),
    not_yet("rds", "rds_sd_configs", "aws.plain", checks::none, AWS),
    not_yet("scaleway", "scaleway_sd_configs", "scaleway.plain", checks::scaleway, SCALEWAY),
    not_yet("stackit", "stackit_sd_configs", "stackit.plain", checks::stackit, STACKIT),
    not_yet(
        "triton",
        "triton_sd_configs",
        "triton.plain",
        checks::triton,
        &[
            text("account", ""),
            text("role", "container"),
            text("dns_suffix", ""),
            text("endpoint", ""),
            texts("groups"),
            int("port", 9163),
            secs("refresh_interval", 60),
            int("version", 1),
        ],
    ),
    not_yet(
        "uyuni",
        "uyuni_sd_configs",
        "uyuni.plain",
        checks::uyuni,
        &[
            text("server", ""),
            text("username", ""),
            secret("password"),
            text("entitlement", "monitoring_entitled"),
            text("separator", ","),
            secs("refresh_interval", 60),
        ],
    ),
    not_yet(
        "vultr",
        "vultr_sd_configs",
        "vultr.plain",
        checks::none,
        &[secs("refresh_interval", 60), int("port", 80)],
    ),
];

const OPENSTACK: &[Field] = &[
    text("identity_endpoint", ""),
    text("username", ""),
    text("userid", ""),
    secret("password"),
    text("project_name", ""),
    text("project_id", ""),
    text("domain_name", ""),
    text("domain_id", ""),
    text("application_credential_name", ""),
    text("application_credential_id", ""),
    secret("application_credential_secret"),
    text("role", ""),
    text("region", ""),
    secs("refresh_interval", 60),
    int("port", 80),
    flag("all_tenants", false),
    text("availability", "public"),
];

const SCALEWAY: &[Field] = &[
    text("project_id", ""),
    text("api_url", "https://api.scaleway.com"),
    text("zone", "fr-par-1"),
    text("access_key", ""),
    secret("secret_key"),
    path("secret_key_file"),
    text("name_filter", ""),
    texts("tags_filter"),
    secs("refresh_interval", 60),
    int("port", 80),
    text("role", ""),
];

const STACKIT: &[Field] = &[
    text("project", ""),
    text("region", "eu01"),
    text("endpoint", ""),
    secs("refresh_interval", 60),
    int("port", 80),
    secret("service_account_key"),
    secret("private_key"),
    path("service_account_key_path"),
    path("private_key_path"),
    path("credentials_file_path"),
];
