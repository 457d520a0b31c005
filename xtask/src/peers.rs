//! The originals we compare with: Debian's packages, unpacked into `target/peers`, and Python's, in an environment of their
//! own there. Nothing is installed on the machine or started.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::command::{exists, output, run};
use crate::workspace::target_dir;

/// Debian packages that tests talk to, and what they need that a plain machine may lack.
const PACKAGES: &[&str] = &[
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-node-exporter",
    "victoria-metrics",
    "etcd-server",
    "runc",
    "nginx",
    // A mail server that checks what it is sent, with what it imports.
    "python3-aiosmtpd",
    "python3-attr",
    "python3-public",
    // dnsmasq and its libraries.
    "dnsmasq-base",
    "libjansson4",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftables1",
    "libnftnl11",
    "libxtables12",
    // ZooKeeper runs on the machine's own Java.
    "libcommons-cli-java",
    "libcommons-io-java",
    "libdropwizard-metrics-java",
    "libjackson2-annotations-java",
    "libjackson2-core-java",
    "libjackson2-databind-java",
    "libjetty9-java",
    "liblog4j1.2-java",
    "libservlet-api-java",
    "libnetty-java",
    "libslf4j-java",
    "libsnappy-java",
    "libzookeeper-java",
];

/// Python packages that tests run.
const PYTHON_PACKAGES: [&str; 2] = ["schemathesis==4.32.5", "prometheus-api-client==0.7.2"];

/// Returns the folder under which `usr/bin/prometheus` and the others lie.
pub fn folder() -> PathBuf {
    target_dir().join("peers")
}

/// Unpacks every package that is not there yet.
/// # Errors
/// When apt-get has no such package (run `apt-get update` first) or unpacking fails.
pub fn fetch() -> Result<()> {
    let folder = folder();
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    if !exists("apt-get") || !exists("dpkg-deb") {
        anyhow::bail!("peers come from Debian's packages: this machine has no apt-get or dpkg-deb");
    }
    for package in PACKAGES.iter().filter(|package| !folder.join(format!(".{package}")).exists()) {
        // `_apt` may not enter our folders: apt warns and reads as the caller, which is fine.
        output(&folder, "apt-get", &["download", "--quiet", package])?;
        let archive = fs::read_dir(&folder)?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .find(|name| name.starts_with(&format!("{package}_")) && name.ends_with(".deb"))
            .with_context(|| format!("apt-get download {package} left no archive"))?;
        run(&folder, "dpkg-deb", &["-x", &archive, "."], &[])?;
        fs::remove_file(folder.join(&archive))?;
        fs::write(folder.join(format!(".{package}")), archive)?;
    }
    Ok(())
}

/// Installs Python's packages into an environment of their own, unless they are there.
/// # Errors
/// When the machine has no Python with `venv`, or a package cannot be had.
pub fn fetch_python() -> Result<()> {
    let environment = folder().join("python");
    let (mark, wanted) = (environment.join(".packages"), PYTHON_PACKAGES.join("\n"));
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let folder = folder();
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    if !exists("python3") {
        anyhow::bail!("tests with Python's packages need python3");
    }
    output(&folder, "python3", &["-m", "venv", "--clear", "python"])?;
    let pip = environment.join("bin/pip");
    let pip = pip.to_str().context("the path of the build folder is not UTF-8")?;
    let arguments = ["install", "--quiet", "--disable-pip-version-check"];
    output(&folder, pip, &arguments.into_iter().chain(PYTHON_PACKAGES).collect::<Vec<_>>())?;
    fs::write(&mark, wanted)?;
    Ok(())
}
