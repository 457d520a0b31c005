//! What must hold between the fields of a mechanism, in the original's words.

use wf_httpkit::ClientOptions;

use crate::section::{Section, Value};

type Checked = Result<(), String>;

fn require(is_met: bool, message: impl Into<String>) -> Checked {
    if is_met { Ok(()) } else { Err(message.into()) }
}

fn is_empty(section: &Section, name: &str) -> bool {
    match section.value(name) {
        Some(Value::Text(text)) => text.is_empty(),
        Some(Value::Secret(secret)) => secret.reveal().is_empty(),
        Some(Value::Texts(texts)) => texts.is_empty(),
        _ => true,
    }
}

pub(super) fn none(_: &Section) -> Checked {
    Ok(())
}

pub(super) fn consul(section: &Section) -> Checked {
    require(!section.text("server").trim().is_empty(), "consul SD configuration requires a server address")?;
    let has_password = section.secret("password").is_some() || !is_empty(section, "username");
    if has_password && section.client.basic_auth.is_some() {
        return Err("at most one of consul SD configuration username and password and basic auth can be \
                    configured"
            .to_owned());
    }
    let client = &section.client;
    let has_auth = client.basic_auth.is_some() || client.authorization.is_some() || client.oauth2.is_some();
    require(
        section.secret("token").is_none() || !has_auth,
        "at most one of consul SD token, authorization, or oauth2 can be configured",
    )?;
    let scheme = section.text("scheme");
    require(matches!(scheme.as_str(), "http" | "https"), "consul SD scheme must be http or https")
}

pub(super) fn dns(section: &Section) -> Checked {
    require(!is_empty(section, "names"), "DNS-SD config must contain at least one SRV record name")?;
    let record = section.text("type");
    match record.to_ascii_uppercase().as_str() {
        "SRV" => Ok(()),
        "A" | "AAAA" | "MX" | "NS" => require(
            section.int("port") != 0,
            "a port is required in DNS-SD configs for all record types except SRV",
        ),
        _ => Err(format!("invalid DNS-SD records type {record}")),
    }?;
    port(section)
}

fn port(section: &Section) -> Checked {
    require((0..=65535).contains(&section.int("port")), "port must be between 0 and 65535")
}

pub(super) fn docker(section: &Section) -> Checked {
    require(!is_empty(section, "host"), "host missing")?;
    let host = section.text("host");
    let (scheme, _) =
        host.split_once("://").ok_or_else(|| format!("unable to parse docker host `{host}`"))?;
    require(
        matches!(scheme, "unix" | "tcp" | "http" | "https" | "npipe"),
        format!("docker host `{host}`: use unix, tcp, http or https"),
    )?;
    port(section)
}

pub(super) fn dockerswarm(section: &Section) -> Checked {
    docker(section)?;
    let role = section.text("role");
    match role.as_str() {
        "services" | "nodes" | "tasks" => Ok(()),
        "" => Err("role missing (one of: tasks, services, nodes)".to_owned()),
        _ => Err(format!("invalid role {role}, expected tasks, services, or nodes")),
    }
}

pub(super) fn etcd(section: &Section) -> Checked {
    require(
        !is_empty(section, "prefix"),
        "etcd SD configuration requires a prefix: an empty one reads every key",
    )?;
    require(
        !is_empty(section, "endpoints"),
        "etcd SD configuration requires endpoints such as http://host:2379",
    )?;
    section.texts("endpoints").iter().try_for_each(|endpoint| url(endpoint))
}

pub(super) fn eureka(section: &Section) -> Checked {
    let server = section.text("server");
    require(!server.is_empty(), "eureka_sd: empty or null eureka server")?;
    let has_host = after_scheme(&server).is_some_and(|rest| !rest.trim_start_matches('/').is_empty());
    require(has_host, "eureka_sd: invalid eureka server URL")
}

fn after_scheme(text: &str) -> Option<&str> {
    text.split_once("://").map(|(_, rest)| rest)
}

/// Checks that a text is a URL of HTTP with a host.
fn url(text: &str) -> Checked {
    require(!text.is_empty(), "URL is missing")?;
    crate::url::check(text)?;
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    require(matches!(scheme, "http" | "https"), "URL scheme must be 'http' or 'https'")?;
    let host = after_scheme(text).and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("");
    require(!host.is_empty(), "host is missing in URL")
}

pub(super) fn file(section: &Section) -> Checked {
    let files = section.texts("files");
    require(!files.is_empty(), "file service discovery config must contain at least one path name")?;
    files.iter().try_for_each(|name| {
        let is_known =
            [".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"].iter().any(|end| name.ends_with(end));
        require(
            is_known && crate::glob::has_stars_in_last_segment_only(name),
            format!("path name {} is not valid for file discovery", wf_model::quote::GoQuoted(name)),
        )
    })
}

pub(super) fn http(section: &Section) -> Checked {
    url(&section.text("url"))
}

pub(super) fn nerve(section: &Section) -> Checked {
    zookeeper(section, "nerve")
}

pub(super) fn serverset(section: &Section) -> Checked {
    zookeeper(section, "serverset")
}

fn zookeeper(section: &Section, name: &str) -> Checked {
    require(
        !is_empty(section, "servers"),
        format!("{name} SD config must contain at least one Zookeeper server"),
    )?;
    let paths = section.texts("paths");
    require(!paths.is_empty(), format!("{name} SD config must contain at least one path"))?;
    paths.iter().try_for_each(|path| {
        require(path.starts_with('/'), format!("{name} SD config paths must begin with '/': {path}"))
    })
}

pub(super) fn aws(section: &Section) -> Checked {
    let role = section.text("role");
    require(
        matches!(role.as_str(), "ec2" | "lightsail" | "ecs" | "msk" | "elasticache" | "rds"),
        format!("unknown AWS SD role {role:?}"),
    )?;
    ec2(section)
}

pub(super) fn ec2(section: &Section) -> Checked {
    let has_empty = section.records("filters").iter().any(|filter| filter.texts("values").is_empty());
    require(!has_empty, "EC2 SD configuration filter values cannot be empty")
}

pub(super) fn azure(section: &Section) -> Checked {
    let needs =
        |name: &str| require(!is_empty(section, name), format!("azure SD configuration requires a {name}"));
    needs("subscription_id")?;
    match section.text("authentication_method").as_str() {
        "OAuth" => ["tenant_id", "client_id", "client_secret"].into_iter().try_for_each(needs),
        "ManagedIdentity" | "SDK" | "WorkloadIdentity" => Ok(()),
        other => Err(format!(
            "unknown authentication_type {other:?}. Supported types are \"OAuth\", \"ManagedIdentity\", \"SDK\" or \
             \"WorkloadIdentity\""
        )),
    }
}

pub(super) fn gce(section: &Section) -> Checked {
    require(!is_empty(section, "project"), "GCE SD configuration requires a project")?;
    require(!is_empty(section, "zone"), "GCE SD configuration requires a zone")
}

pub(super) fn hetzner(section: &Section) -> Checked {
    match section.text("role").as_str() {
        "" => Err("role missing (one of: robot, hcloud)".to_owned()),
        "robot" | "hcloud" => Ok(()),
        other => Err(format!("unknown role {other:?}")),
    }
}

pub(super) fn ionos(section: &Section) -> Checked {
    require(!is_empty(section, "datacenter_id"), "datacenter id can't be empty")
}

pub(super) fn kuma(section: &Section) -> Checked {
    let server = section.text("server");
    require(!server.is_empty(), "kuma SD server must not be empty")?;
    url(&server).map_err(|_| format!("kuma SD server must not be empty and have a scheme: {server}"))
}

pub(super) fn marathon(section: &Section) -> Checked {
    require(!is_empty(section, "servers"), "marathon_sd: must contain at least one Marathon server")?;
    let has_secret = section.secret("auth_token").is_some();
    let has_file = !is_empty(section, "auth_token_file");
    require(
        !(has_secret && has_file),
        "marathon_sd: at most one of auth_token & auth_token_file must be configured",
    )?;
    let client = &section.client;
    let others = match client {
        _ if !has_secret && !has_file => return Ok(()),
        _ if client.basic_auth.is_some() => "basic_auth, auth_token & auth_token_file",
        _ if client.bearer_token.is_some() || client.bearer_token_file.is_some() => {
            "bearer_token, bearer_token_file, auth_token & auth_token_file"
        }
        _ if client.authorization.is_some() => "auth_token, auth_token_file & authorization",
        _ => return Ok(()),
    };
    Err(format!("marathon_sd: at most one of {others} must be configured"))
}

pub(super) fn nomad(section: &Section) -> Checked {
    require(!section.text("server").trim().is_empty(), "nomad SD configuration requires a server address")
}

pub(super) fn openstack(section: &Section) -> Checked {
    let availability = section.text("availability");
    require(
        matches!(availability.as_str(), "public" | "internal" | "admin"),
        format!("unknown availability {availability}, must be one of admin, internal or public"),
    )?;
    let role = section.text("role");
    require(!role.is_empty(), "role missing (one of: instance, hypervisor, loadbalancer)")?;
    require(
        matches!(role.as_str(), "instance" | "hypervisor" | "loadbalancer"),
        format!("unknown OpenStack SD role {role:?}"),
    )?;
    require(!is_empty(section, "region"), "openstack SD configuration requires a region")
}

pub(super) fn outscale(section: &Section) -> Checked {
    require(!is_empty(section, "region"), "outscale SD configuration requires a region")?;
    require(!is_empty(section, "access_key"), "outscale SD configuration requires an access_key")?;
    one_secret_key(section)?;
    let has_secret = section.secret("secret_key").is_some() || !is_empty(section, "secret_key_file");
    require(has_secret, "outscale SD configuration requires one of secret_key or secret_key_file")
}

fn one_secret_key(section: &Section) -> Checked {
    let has_both = section.secret("secret_key").is_some() && !is_empty(section, "secret_key_file");
    require(!has_both, "at most one of secret_key & secret_key_file must be configured")
}

pub(super) fn ovhcloud(section: &Section) -> Checked {
    for name in ["endpoint", "application_key", "application_secret", "consumer_key"] {
        let words = name.replace('_', " ");
        require(!is_empty(section, name), format!("{words} can not be empty"))?;
    }
    match section.text("service").as_str() {
        "vps" | "dedicated_server" => Ok(()),
        other => Err(format!("unknown service: {other}")),
    }
}

pub(super) fn puppetdb(section: &Section) -> Checked {
    url(&section.text("url"))?;
    require(!is_empty(section, "query"), "query missing")
}

pub(super) fn scaleway(section: &Section) -> Checked {
    require(!is_empty(section, "project_id"), "project_id is mandatory")?;
    one_secret_key(section)?;
    let has_secret = section.secret("secret_key").is_some() || !is_empty(section, "secret_key_file");
    require(has_secret, "one of secret_key & secret_key_file must be configured")?;
    require(!is_empty(section, "access_key"), "access_key is mandatory")?;
    match section.text("role").as_str() {
        "" => Err("role missing (one of: instance, baremetal)".to_owned()),
        "instance" | "baremetal" => Ok(()),
        other => Err(format!("unknown role {other:?}")),
    }
}

pub(super) fn stackit(section: &Section) -> Checked {
    let endpoint = section.text("endpoint");
    let is_url =
        endpoint.is_empty() || endpoint.split_once("://").is_some_and(|(scheme, _)| !scheme.is_empty());
    require(is_url, format!("invalid endpoint {endpoint:?}: give a URL"))
}

pub(super) fn triton(section: &Section) -> Checked {
    let role = section.text("role");
    require(
        matches!(role.as_str(), "container" | "cn"),
        "triton SD configuration requires role to be 'container' or 'cn'",
    )?;
    for (name, called) in
        [("account", "an account"), ("dns_suffix", "a dns_suffix"), ("endpoint", "an endpoint")]
    {
        require(!is_empty(section, name), format!("triton SD configuration requires {called}"))?;
    }
    require(
        section.time("refresh_interval").as_nanos() > 0,
        "triton SD configuration requires RefreshInterval to be a positive integer",
    )
}

pub(super) fn uyuni(section: &Section) -> Checked {
    for (name, called) in [("server", "server host"), ("username", "a username"), ("password", "a password")]
    {
        require(!is_empty(section, name), format!("Uyuni SD configuration requires {called}"))?;
    }
    Ok(())
}

pub(super) fn kubernetes(section: &Section) -> Checked {
    let role = section.text("role");
    let allowed: &[&str] = match role.as_str() {
        "pod" => &["pod", "node"],
        "endpoints" => &["pod", "service", "endpoints"],
        "endpointslice" => &["pod", "service", "endpointslice"],
        "service" => &["service"],
        "node" => &["node"],
        "ingress" => &["ingress"],
        "" => {
            return Err(
                "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)".to_owned()
            );
        }
        _ => return Err(format!("unknown Kubernetes SD role {role:?}")),
    };
    let has_server = section.is_set("api_server");
    let has_kubeconfig = section.is_set("kubeconfig_file");
    let has_client = section.client != ClientOptions::default();
    let is_own_namespace = section.record("namespaces").is_some_and(|names| names.flag("own_namespace"));
    require(!(has_kubeconfig && has_server), "cannot use 'kubeconfig_file' and 'api_server' simultaneously")?;
    require(
        !(has_kubeconfig && has_client),
        "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
    )?;
    require(
        has_server || !has_client || has_kubeconfig,
        "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
    )?;
    require(
        !(has_server && is_own_namespace),
        "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously",
    )?;
    require(
        !(has_kubeconfig && is_own_namespace),
        "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously",
    )?;
    let mut known = std::collections::BTreeSet::new();
    for selector in section.records("selectors") {
        let of = selector.text("role");
        require(
            allowed.contains(&of.as_str()),
            format!("{role} role supports only {} selectors", allowed.join(", ")),
        )?;
        require(known.insert(of.clone()), format!("duplicated selector role: {of}"))?;
        field_selector(&selector.text("field"))?;
        label_selector(&selector.text("label"))?;
    }
    Ok(())
}

/// Checks a selector by fields: terms with `=`, `==` or `!=`, separated by commas.
fn field_selector(text: &str) -> Checked {
    text.split(',').filter(|term| !term.is_empty()).try_for_each(|term| {
        require(term.contains('='), format!("invalid selector: '{text}'; can't understand '{term}'"))
    })
}

/// Checks the outline of a selector by labels: lists in brackets that are closed, and terms that name a label.
fn label_selector(text: &str) -> Checked {
    let fail = |cause: &str| Err(format!("unable to parse requirement: {cause} in label selector '{text}'"));
    let (mut is_list, mut term) = (false, String::new());
    for ch in text.chars().chain([',']) {
        match ch {
            '(' if is_list => return fail("found '(' inside a list"),
            ')' if !is_list => return fail("found ')' without a list"),
            '(' => is_list = true,
            ')' => is_list = false,
            ',' if !is_list => {
                let name = term.trim_start_matches(['!', ' ']);
                if text.trim().is_empty() {
                    return Ok(());
                }
                if !name.starts_with(|ch: char| ch.is_ascii_alphanumeric()) {
                    return fail("expected the name of a label");
                }
                term.clear();
            }
            _ => term.push(ch),
        }
    }
    if is_list { fail("expected ')'") } else { Ok(()) }
}
