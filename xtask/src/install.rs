//! `make install`: the binary, links under the originals' names, the service, a first configuration.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::build::{self, Profile, say};
use crate::workspace::root;

/// Names that callers of the originals know. The binary behaves as it is called.
const LINKS: [&str; 6] = ["prometheus", "promtool", "alertmanager", "amtool", "node_exporter", "cadvisor"];

/// Where things go: below `DESTDIR` (empty, or a package's folder), programs below `PREFIX` (`/usr/local`).
#[derive(Clone, Debug)]
struct Places {
    destination: PathBuf,
    prefix: PathBuf,
}

impl Places {
    /// Returns where the file that will be `path` is put.
    fn staged(&self, path: &Path) -> PathBuf {
        self.destination.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn bin(&self) -> PathBuf {
        self.prefix.join("bin")
    }
}

/// Builds what is shipped and installs it; or, if `BINARY` names a program that is built already, that.
/// # Errors
/// When building fails or a file cannot be written.
pub fn install() -> Result<()> {
    let chosen = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = |name: &str, default: &str| chosen(name).unwrap_or_else(|| default.into()).into();
    let places = Places { destination: folder("DESTDIR", "/"), prefix: folder("PREFIX", "/usr/local") };
    let binary = match chosen("BINARY") {
        Some(binary) => PathBuf::from(binary),
        None => build::binary(Profile::Dist)?,
    };
    put_all(&binary, &root().join("deploy/systemd"), &places)?;
    say(&format!(
        "installed below {}. Next: systemd-sysusers && systemctl daemon-reload && systemctl enable --now watchfire",
        places.staged(&places.prefix).display()
    ));
    Ok(())
}

fn put_all(binary: &Path, deploy: &Path, places: &Places) -> Result<()> {
    let bin = places.staged(&places.bin());
    let bytes = fs::read(binary).with_context(|| format!("read {}", binary.display()))?;
    // Replaced as a whole: a running program keeps its own file.
    put(&bin.join(".watchfire.new"), &bytes, 0o755)?;
    fs::rename(bin.join(".watchfire.new"), bin.join("watchfire")).context("replace the binary")?;
    for name in LINKS {
        let link = bin.join(name);
        match fs::symlink_metadata(&link) {
            // Somebody's own program stays where it is.
            Ok(info) if !info.is_symlink() => {
                say(&format!("kept: {} is no link; call `watchfire` instead", link.display()));
                continue;
            }
            Ok(_) => fs::remove_file(&link).with_context(|| format!("remove {}", link.display()))?,
            Err(_) => {}
        }
        symlink("watchfire", &link).with_context(|| format!("link {}", link.display()))?;
    }
    let unit = fs::read_to_string(deploy.join("watchfire.service")).context("read the unit")?;
    let unit = unit.replace("@bindir@", &places.bin().display().to_string());
    let library = places.staged(&places.prefix.join("lib"));
    put(&library.join("systemd/system/watchfire.service"), unit.as_bytes(), 0o644)?;
    let users = fs::read(deploy.join("watchfire.sysusers")).context("read the user")?;
    put(&library.join("sysusers.d/watchfire.conf"), &users, 0o644)?;
    let config = places.staged(Path::new("/etc/watchfire/prometheus.yml"));
    if config.exists() {
        say(&format!("kept: {}", config.display()));
        return Ok(());
    }
    put(&config, &fs::read(deploy.join("prometheus.yml")).context("read the configuration")?, 0o644)
}

fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, bytes)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    };
    write().with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lands_below_the_destination_and_nothing_of_others_is_lost() {
        let folder = std::env::temp_dir().join(format!("wf-install-{}", std::process::id()));
        let places = Places { destination: folder.clone(), prefix: "/usr".into() };
        let (binary, bin) = (folder.join("built"), folder.join("usr/bin"));
        fs::create_dir_all(&bin).unwrap();
        fs::write(&binary, "one").unwrap();
        fs::write(bin.join("promtool"), "somebody's").unwrap();
        let deploy = root().join("deploy/systemd");
        put_all(&binary, &deploy, &places).unwrap();
        fs::write(folder.join("etc/watchfire/prometheus.yml"), "mine").unwrap();
        fs::write(&binary, "two").unwrap();
        put_all(&binary, &deploy, &places).unwrap();
        let text = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
        let found =
            ["usr/bin/watchfire", "usr/bin/prometheus", "usr/bin/promtool", "etc/watchfire/prometheus.yml"];
        let found = found.map(text);
        let unit = text("usr/lib/systemd/system/watchfire.service");
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, ["two", "two", "somebody's", "mine"]);
        assert!(unit.contains("ExecStart=/usr/bin/watchfire server "), "{unit}");
        assert!(!unit.contains("@bindir@"));
    }
}
