//! Reloads the configuration when its files have changed.
//!
//! # Source: `spec/prometheus-core.md` §9, `--config.auto-reload`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::info;
use xxhash_rust::xxh3::Xxh3;

use crate::control::ControlHandle;

/// Looks at `config_file`, and at the rule files and scrape configurations it names, every `interval`, and reloads when
/// their names or contents have changed, until `stop` fires.
pub async fn auto_reload(
    control: ControlHandle,
    config_file: PathBuf,
    interval: Duration,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let look = |path: PathBuf| tokio::task::spawn_blocking(move || fingerprint(&path));
    let mut known = look(config_file.clone()).await?;
    let wait = || tokio::time::sleep(interval);
    while stop.run_until_cancelled(wait()).await.is_some() {
        let now = look(config_file.clone()).await?;
        // A file that cannot be read is being replaced.
        if now.is_some() && now != known {
            info!("configuration files have changed, reloading");
            // The outcome is in the log and the metrics.
            let _ = control.reload().await;
            known = now;
        }
    }
    Ok(())
}

/// Hashes names and contents; `None` when the main file cannot be read.
fn fingerprint(config_file: &Path) -> Option<u128> {
    let text = std::fs::read(config_file).ok()?;
    let mut hash = Xxh3::new();
    hash.update(&text);
    for path in wf_config::named_files(&String::from_utf8_lossy(&text), config_file) {
        hash.update(path.to_string_lossy().as_bytes());
        // One that is gone is a change, too.
        hash.update(&std::fs::read(&path).unwrap_or_default());
        hash.update(&[0]);
    }
    Some(hash.digest128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_a_configuration_names_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let config = folder.path().join("p.yml");
        write("p.yml", "rule_files: ['*.rules']\nscrape_config_files: [more.yml]\n");
        let mut seen = vec![fingerprint(&config)];
        write("a.rules", "groups: []\n");
        seen.push(fingerprint(&config));
        write("more.yml", "scrape_configs: []\n");
        seen.push(fingerprint(&config));
        write("more.yml", "scrape_configs: [{job_name: a}]\n");
        seen.push(fingerprint(&config));
        std::fs::rename(folder.path().join("a.rules"), folder.path().join("b.rules")).unwrap();
        seen.push(fingerprint(&config));
        write("p.yml", "rule_files: [unclosed\n");
        seen.push(fingerprint(&config));
        assert_eq!(fingerprint(&config), seen[5]);
        write("unrelated", "x");
        assert_eq!(fingerprint(&config), seen[5]);
        for (idx, earlier) in seen.iter().enumerate() {
            assert!(!seen[idx + 1..].contains(earlier), "{idx}");
        }
        std::fs::remove_file(&config).unwrap();
        assert_eq!(fingerprint(&config), None);
    }
}
