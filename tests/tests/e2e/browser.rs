//! The UI's journeys in Debian's headless Chromium, driven by Playwright against the real binary.

mod containers;
mod nginx;
mod sites;

use std::path::Path;
use std::process::{Command, Stdio};

use wf_e2e::http;
use wf_e2e::process::{PATIENCE, eventually};
use wf_e2e::skip::{binary, skip, workspace};

use crate::setup::Site;
use nginx::Nginx;
use sites::Sites;

#[test]
fn a_person_can_use_every_page() {
    let Some(binary) = binary() else { return };
    if !Path::new("/usr/bin/chromium").exists() {
        return skip(
            "browser",
            "Debian's chromium is not installed: apt-get install chromium fonts-noto-cjk",
        );
    }
    if !workspace().join("ui/node_modules/playwright-core").exists() {
        return skip("browser", "Playwright is not installed: run `cargo xtask ui`");
    }
    let sites = Sites::start(&binary);
    let nginx = Nginx::start(&binary, &sites);
    let site = Site::new();
    let server = site.up(&binary);
    // The journeys are about a host that is watched: on a quick machine they would begin before its second scrape.
    let rates = || http::query(&server.base, "rate(node_cpu_seconds_total[1m])", None).unwrap_or_default();
    assert!(eventually(PATIENCE, || !rates().is_empty()), "{}", server.log_text());
    let screenshots = workspace().join("target/screenshots");
    std::fs::create_dir_all(&screenshots).unwrap();
    let output = Command::new("npm")
        .args(["run", "--silent", "e2e"])
        .current_dir(workspace().join("ui"))
        .env("WF_URL", &server.base)
        .env("WF_SERVER_URL", &sites.server.base)
        .env("WF_ALERTMANAGER_URL", &sites.alertmanager.base)
        .env("WF_NGINX", nginx.as_ref().map_or("", |nginx| &nginx.base))
        .env("WF_SCREENSHOTS", &screenshots)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    // The sum of the journeys last: it is what is left of a long text.
    assert!(output.status.success(), "{}\n{}\n{text}", server.log_text(), sites.server.log_text());
}
