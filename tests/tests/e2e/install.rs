//! `make install` into a folder: the links work under the originals' names, the unit is one that systemd takes, and what it
//! starts is the server. The image's recipe copies what there is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wf_e2e::process::{Server, free_port, run};
use wf_e2e::skip::{binary, skip, workspace};

/// Links, and the first words of what they say to `--version`.
const LINKS: [(&str, &str); 6] = [
    ("prometheus", "prometheus, version 3.14"),
    ("promtool", "promtool, version 3.14"),
    ("alertmanager", "alertmanager, version "),
    ("amtool", "amtool, version "),
    ("node_exporter", "node_exporter, version "),
    ("cadvisor", "cadvisor, version "),
];

fn install(binary: &Path, destination: &Path) {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--locked", "--package", "xtask", "--", "install"])
        .current_dir(workspace())
        .env("DESTDIR", destination)
        .env("PREFIX", "/usr")
        .env("BINARY", binary)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_installed_runs_under_the_originals_names_and_as_a_service() {
    let Some(binary) = binary() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    install(&fs::canonicalize(binary).unwrap(), root);
    let bin = root.join("usr/bin");
    for (name, words) in LINKS {
        let (code, out, err) = run(&bin.join(name), &["--version"]).unwrap();
        assert!(code == 0 && format!("{out}{err}").starts_with(words), "{name}: {code} {out}{err}");
    }
    let unit = fs::read_to_string(root.join("usr/lib/systemd/system/watchfire.service")).unwrap();
    systemd_takes(&unit, root);
    // The service's own command line, but for where things are.
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let port = free_port().unwrap();
    let placed = start
        .replace("/usr/bin/", &format!("{}/", bin.display()))
        .replace("/etc/watchfire", &root.join("etc/watchfire").display().to_string())
        .replace("/var/lib/watchfire", &root.join("data").display().to_string())
        .replace("127.0.0.1:9090", &format!("127.0.0.1:{port}"))
        .replace(" $ARGS", "");
    let words: Vec<&str> = placed.split(' ').collect();
    let server = Server::start(Path::new(words[0]), &words[1..], port, &root.join("log")).unwrap();
    assert!(server.stop().unwrap().success());
}

/// Lets systemd judge the unit, where it is installed; the program is where the test put it.
fn systemd_takes(unit: &str, root: &Path) {
    let Some(analyze) =
        ["/usr/bin/systemd-analyze", "/bin/systemd-analyze"].iter().map(Path::new).find(|path| path.exists())
    else {
        return skip("systemd", "systemd-analyze is not installed: the unit is not verified");
    };
    let path = root.join("watchfire.service");
    let placed = unit.replace("/usr/bin/watchfire", &root.join("usr/bin/watchfire").display().to_string());
    fs::write(&path, placed).unwrap();
    let path = path.to_str().unwrap();
    let (code, out, err) = run(analyze, &["verify", "--man=no", path]).unwrap();
    assert!(code == 0 && !err.contains("watchfire.service:"), "{out}{err}");
    for line in ["Type=notify", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="] {
        assert!(unit.lines().any(|have| have == line), "{line}");
    }
}

#[test]
fn the_images_recipe_copies_what_there_is_and_runs_as_nobody() {
    let recipe = fs::read_to_string(workspace().join("deploy/container/Containerfile")).unwrap();
    let lines: Vec<&str> = recipe.lines().collect();
    let user = lines.iter().rev().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    let made = fs::read_to_string(workspace().join("deploy/systemd/prometheus.yml"));
    assert!(recipe.contains("cp deploy/systemd/prometheus.yml") && made.is_ok());
    assert!(recipe.contains("cargo xtask dist") && recipe.contains("/src/target/dist/watchfire"));
    for (name, _) in LINKS {
        assert!(recipe.contains(&format!(" {name}")), "{name} is no link in the image");
    }
    // Every COPY from the build is of something that it made.
    for line in lines.iter().filter(|line| line.starts_with("COPY --from=build")) {
        let words: Vec<&str> = line.split(' ').collect();
        let source = PathBuf::from(words[words.len() - 2]);
        let is_made = source.starts_with("/src/target/dist") || source.starts_with("/root-of-image");
        assert!(is_made, "{line}");
    }
}
