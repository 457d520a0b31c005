//! A real container: started by Debian's runc, seen with its limits, gone when it is gone.
#![expect(clippy::unwrap_used, reason = "a test: what cannot be prepared fails it")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use wf_container_exporter::{Config, ContainerExporter};

const MEMORY_BYTES: u64 = 64 << 20;
const THREADS: u64 = 32;

fn skip(why: &str) {
    let required = std::env::var("WF_REQUIRE").unwrap_or_default();
    assert!(!required.contains("runc"), "runc is required: {why}");
    // A macro's line would be kept by the test harness.
    let _ = writeln!(std::io::stderr(), "SKIPPED: runc: {why}");
}

fn runc() -> Option<PathBuf> {
    let peers = std::env::var_os("WF_PEERS").map(PathBuf::from);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
    let path = peers.unwrap_or(target).join("usr/sbin/runc");
    path.exists().then_some(path)
}

/// A container that sleeps; deleted when dropped.
struct Container {
    runc: PathBuf,
    folder: tempfile::TempDir,
    id: String,
}

impl Container {
    fn new(runc: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let id = format!("{:064x}", std::process::id());
        let container = Self { runc, folder, id };
        let rootfs = container.folder.path().join("rootfs");
        for dir in ["bin", "lib", "lib64", "usr", "proc"] {
            fs::create_dir_all(rootfs.join(dir)).unwrap();
        }
        fs::copy("/bin/sleep", rootfs.join("bin/sleep")).unwrap();
        fs::write(container.folder.path().join("config.json"), container.config()).unwrap();
        container
    }

    fn group(&self) -> String {
        format!("/watchfire-test-{}/{}", std::process::id(), self.id)
    }

    fn config(&self) -> String {
        let mounts: String = ["/lib", "/lib64", "/usr"]
            .iter()
            .filter(|dir| Path::new(dir).is_dir())
            .map(|dir| {
                format!(
                    r#"{{"destination":"{dir}","type":"bind","source":"{dir}","options":["rbind","ro"]}},"#
                )
            })
            .collect();
        let namespaces =
            ["pid", "mount", "ipc", "uts", "network"].map(|kind| format!(r#"{{"type":"{kind}"}}"#));
        format!(
            r#"{{"ociVersion":"1.0.2","hostname":"c","root":{{"path":"rootfs"}},
            "process":{{"user":{{"uid":0,"gid":0}},"args":["/bin/sleep","600"],"env":["PATH=/bin"],"cwd":"/"}},
            "mounts":[{mounts}{{"destination":"/proc","type":"proc","source":"proc"}}],
            "linux":{{"cgroupsPath":"{}","namespaces":[{}],
            "resources":{{"memory":{{"limit":{MEMORY_BYTES}}},"pids":{{"limit":{THREADS}}}}}}}}}"#,
            self.group(),
            namespaces.join(",")
        )
    }

    fn call(&self, words: &[&str]) -> Result<(), String> {
        let log = self.folder.path().join("log");
        let output = fs::File::create(&log).unwrap();
        let status = Command::new(&self.runc)
            .arg("--root")
            .arg(self.folder.path().join("state"))
            .args(words)
            .arg(&self.id)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            // A container keeps what it inherits: a pipe would never end.
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(fs::read_to_string(&log).unwrap_or_default().trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.call(&["delete", "--force"]);
        for controller in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            // Only directories that this test made and that are empty go.
            let _ = fs::remove_dir(controller.path().join(format!("watchfire-test-{}", std::process::id())));
        }
    }
}

fn page(exporter: &ContainerExporter) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut page = String::new();
    wf_exposition::text::write_page(&mut page, &runtime.block_on(exporter.gather()).unwrap());
    page
}

/// Value of the one series of `name` that belongs to the group.
fn value(page: &str, name: &str, group: &str) -> Option<f64> {
    let mut lines = page.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
            && line.contains(&format!("id=\"{group}\""))
    });
    let line = lines.next()?;
    assert_eq!(lines.next(), None, "{name} has one series");
    line.rsplit_once('}')?.1.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_container_of_runc_appears_and_vanishes() {
    let Some(runc) = runc() else {
        return skip("Debian's runc is not unpacked: run `cargo xtask peers`");
    };
    let container = Container::new(runc);
    let exporter = ContainerExporter::new(Config { max_age: Duration::ZERO, ..Config::default() });
    assert!(!page(&exporter).contains(&container.id));
    if let Err(why) = container.call(&["run", "--detach"]) {
        return skip(&format!("this machine lets runc start nothing: {why}"));
    }
    let (page_with, group) = (page(&exporter), container.group());
    let get = |name: &str| value(&page_with, name, &group).unwrap_or_else(|| panic!("{name} is missing"));
    assert_eq!(get("container_spec_memory_limit_bytes"), MEMORY_BYTES as f64);
    assert_eq!(get("container_threads_max"), THREADS as f64);
    assert_eq!(get("container_processes"), 1.0);
    assert!(get("container_memory_usage_bytes") > 0.0);
    assert!(get("container_memory_working_set_bytes") <= get("container_memory_usage_bytes"));
    assert!(get("container_cpu_usage_seconds_total") > 0.0);
    assert_eq!(get("container_oom_events_total"), 0.0);
    assert!(get("container_start_time_seconds") > 1e9 && get("container_last_seen") > 1e9);
    // Its network is its own, with nothing but loopback, which nobody counts.
    assert!(value(&page_with, "container_network_receive_bytes_total", &group).is_none());
    let names =
        page_with.lines().find(|line| line.starts_with("container_last_seen") && line.contains(&group));
    assert!(names.is_some_and(|line| line.contains(&format!("name=\"{}\"", container.id))), "{names:?}");
    container.call(&["delete", "--force"]).unwrap();
    let after = page(&exporter);
    assert!(!after.contains(&container.id), "nothing of it is left");
    assert!(after.contains("container_last_seen{"), "the rest is still there");
}
