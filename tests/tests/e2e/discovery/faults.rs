//! Sources that fail, rave or answer late: what they said is kept, what they say later is taken over.

use std::sync::atomic::Ordering;

use wf_e2e::http;
use wf_e2e::process::{PATIENCE, eventually};

use super::fake::{Fake, Mood, Reply};
use super::{EUREKA, consul, job, start, targets};
use crate::setup::Site;

const CONTAINERS: &str = r#"[{"Id":"c1","Names":["/web"],"Image":"i","Ports":[{"PrivatePort":80,"Type":"tcp"}],"Labels":{},"HostConfig":{"NetworkMode":"n"},"NetworkSettings":{"Networks":{"n":{"NetworkID":"n1","IPAddress":"172.18.0.2"}}}}]"#;
const NETWORKS: &str =
    r#"[{"Id":"n1","Name":"n","Scope":"local","Internal":false,"Ingress":false,"Labels":{}}]"#;

#[test]
fn sources_that_fail_rave_or_answer_late_keep_their_targets() {
    let consul = consul();
    let eureka = Fake::new(|_| Reply::json(EUREKA));
    let docker =
        Fake::new(|path| Reply::json(if path.contains("/networks") { NETWORKS } else { CONTAINERS }));
    let site = Site::new();
    let text = job(&format!(
        "  eureka_sd_configs: [{{server: 'http://{}/eureka', refresh_interval: 1s}}]\n  docker_sd_configs: [{{host: 'http://{}', refresh_interval: 1s}}]\n  consul_sd_configs: [{{server: '{}', services: [web], refresh_interval: 1s}}]\n",
        eureka.address, docker.address, consul.fake.address
    ));
    let Some(server) = start(&site, &text, &[]) else { return };
    let error_of = |mechanism: &str| -> String {
        let status = http::get(&format!("{}/api/v1/status/discovery", server.base)).unwrap().json().unwrap();
        let sources = status["data"]["sources"].as_array().unwrap().clone();
        let source = sources.iter().find(|source| source["mechanism"] == mechanism).unwrap();
        source["lastError"].as_str().unwrap().to_owned()
    };
    let wait = |what: &str, is_so: &dyn Fn() -> bool| {
        assert!(eventually(PATIENCE, is_so), "{what}:\n{}", server.log_text());
    };
    let become_all = |mood: Mood| [&eureka, &docker, &consul.fake].map(|fake| fake.becomes(mood));
    let n_targets = || targets(&server.base).len();
    wait("all is found", &|| n_targets() == 4);
    become_all(Mood::Broken);
    wait("errors are told", &|| ["eureka", "docker", "consul"].iter().all(|it| error_of(it).contains("500")));
    assert_eq!(n_targets(), 4);
    // Consul is asked again after a quarter of a minute only.
    let unreadable = |it: &&str| !error_of(it).is_empty() && !error_of(it).contains("500");
    become_all(Mood::Raving);
    wait("ravings are errors", &|| ["eureka", "docker"].iter().all(unreadable));
    assert_eq!(n_targets(), 4);
    become_all(Mood::Late);
    wait("late answers are errors", &|| {
        ["eureka", "docker"].iter().all(|it| error_of(it).contains("in time"))
    });
    assert_eq!(n_targets(), 4);
    consul.n_instances.store(3, Ordering::SeqCst);
    consul.index.store(9, Ordering::SeqCst);
    become_all(Mood::Fine);
    wait("what is new is found", &|| n_targets() == 6);
    wait("errors go", &|| ["eureka", "docker", "consul"].iter().all(|it| error_of(it).is_empty()));
}
