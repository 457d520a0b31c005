//! `eureka_sd_configs`: applications registered with Eureka.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use url::Url;
use wf_config::section::Section;
use wf_httpkit::client::OptionsError;
use wf_model::Labels;

use crate::group::{LabelSet, TargetGroup, host_port};
use crate::source::{Poll, Polled, SdError};
use crate::web::Web;

mod xml;

use xml::Element;

#[derive(Debug)]
pub(crate) struct Eureka {
    web: Web,
    server: String,
    interval: Duration,
}

pub(crate) fn source(section: &Section) -> Result<Polled<Eureka>, OptionsError> {
    let interval = section.time("refresh_interval");
    let server = section.text("server").trim_end_matches('/').to_owned();
    Ok(Polled { poll: Eureka { web: Web::new(&section.client)?, server, interval }, interval })
}

impl Poll for Eureka {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, SdError> {
        let url = Url::parse(&format!("{}/apps", self.server))?;
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/xml"))]);
        let answer = self.web.get(&url, &headers, self.interval.max(Duration::from_secs(1))).await?;
        let answer = answer.ok("eureka apps")?;
        let targets = read(&answer.body)?;
        Ok(vec![TargetGroup { source: "eureka".to_owned(), targets, labels: Labels::empty() }])
    }
}

/// Reads the list of applications.
pub(crate) fn read(body: &[u8]) -> Result<Vec<Labels>, SdError> {
    Ok(xml::parse(body)?.all("application").flat_map(targets_of).collect())
}

fn targets_of(application: &Element) -> Vec<Labels> {
    let name = application.text("name");
    application.all("instance").map(|instance| target(&name, instance)).collect()
}

fn target(application: &str, instance: &Element) -> Labels {
    let port = instance.first("port");
    let secure_port = instance.first("securePort");
    let enabled = |port: Option<&Element>| port.map_or("", |port| port.attribute("enabled")).to_owned();
    let value = |port: Option<&Element>| port.map_or("", |port| port.text.as_str()).to_owned();
    let mut labels = LabelSet::new();
    let prefix = "__meta_eureka_app_instance_";
    labels.set("instance", instance.text("instanceId")).set("__meta_eureka_app_name", application);
    for (name, tag) in [
        ("hostname", "hostName"),
        ("homepage_url", "homePageUrl"),
        ("statuspage_url", "statusPageUrl"),
        ("healthcheck_url", "healthCheckUrl"),
        ("ip_addr", "ipAddr"),
        ("vip_address", "vipAddress"),
        ("secure_vip_address", "secureVipAddress"),
        ("status", "status"),
        ("id", "instanceId"),
    ] {
        labels.set(format!("{prefix}{name}"), instance.text(tag));
    }
    // A number in the original: absent is zero.
    let country = Some(instance.text("countryId")).filter(|country| !country.is_empty());
    labels
        .set(format!("{prefix}country_id"), country.unwrap_or_else(|| "0".to_owned()))
        .set(format!("{prefix}port"), value(port))
        .set(format!("{prefix}port_enabled"), enabled(port))
        .set(format!("{prefix}secure_port"), value(secure_port))
        .set(format!("{prefix}secure_port_enabled"), enabled(secure_port));
    if let Some(info) = instance.first("dataCenterInfo") {
        labels.set(format!("{prefix}datacenterinfo_name"), info.text("name"));
        labels.set_all(&format!("{prefix}datacenterinfo_metadata_"), &children(info.first("metadata")));
    }
    labels.set_all(&format!("{prefix}metadata_"), &children(instance.first("metadata")));
    let number = port.and_then(|port| port.text.parse::<u16>().ok()).filter(|port| *port > 0);
    labels.at(&host_port(&instance.text("hostName"), number.unwrap_or(80)))
}

fn children(element: Option<&Element>) -> BTreeMap<String, String> {
    let children = element.map(|element| element.children.as_slice()).unwrap_or_default();
    children.iter().map(|child| (child.name.clone(), child.text.clone())).collect()
}
