//! What jobs have while sources come, answer, change and go.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use wf_config::{Config, load};

use super::*;

/// A folder for files of targets, and a manager that reads them.
struct Site {
    folder: TempDir,
    manager: DiscoveryManager,
}

impl Site {
    fn new() -> Self {
        let manager = DiscoveryManager::new(&Registry::default(), "scrape");
        Self { folder: tempfile::tempdir().unwrap(), manager }
    }

    fn write(&self, name: &str, addresses: &[&str]) {
        let targets = serde_json::to_string(addresses).unwrap();
        fs::write(self.folder.path().join(name), format!(r#"[{{"targets":{targets}}}]"#)).unwrap();
    }

    /// Takes jobs, each with the files it names.
    fn apply(&self, jobs: &[(&str, &[&str])]) {
        let job = |(job, files): &(&str, &[&str])| {
            let sources: Vec<String> =
                files.iter().map(|file| format!("{{files: [{file}], refresh_interval: 1s}}")).collect();
            format!("- job_name: {job}\n  file_sd_configs: [{}]\n", sources.join(", "))
        };
        let text = format!("scrape_configs:\n{}", jobs.iter().map(job).collect::<String>());
        let config: Config = load(&text, &self.folder.path().join("prometheus.yml")).unwrap();
        let sources = config.scrape_configs.iter();
        self.manager.apply(sources.map(|job| (job.job_name.as_str(), job.sources.as_slice()))).unwrap();
    }

    fn addresses(&self, job: &str) -> Vec<String> {
        let groups = self.manager.groups(|name| name == job).remove(job).unwrap_or_default();
        let targets = groups.iter().flat_map(|group| &group.targets);
        let mut found: Vec<String> =
            targets.map(|target| target.get("__address__").unwrap_or("").to_owned()).collect();
        found.sort();
        found
    }

    /// Waits until `job` has `want`; returns the jobs that were told of changes meanwhile.
    async fn wait(&self, job: &str, want: &[&str]) -> BTreeSet<String> {
        let mut told = self.manager.take_changed();
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            while self.addresses(job) != want {
                self.manager.changed().await;
                told.extend(self.manager.take_changed());
            }
        });
        assert!(waited.await.is_ok(), "want {want:?}, got {:?}", self.addresses(job));
        told
    }
}

#[tokio::test]
async fn only_the_jobs_of_a_source_that_changed_are_told() {
    let site = Site::new();
    site.write("a.json", &["a:1"]);
    site.write("b.json", &["b:1"]);
    site.apply(&[("a", &["a.json"]), ("also-a", &["a.json"]), ("b", &["b.json"])]);
    site.wait("a", &["a:1"]).await;
    site.wait("b", &["b:1"]).await;
    assert_eq!(site.addresses("also-a"), ["a:1"]);
    assert!(site.manager.take_changed().is_empty());
    site.write("a.json", &["a:2"]);
    let told = site.wait("a", &["a:2"]).await;
    assert_eq!(told, BTreeSet::from(["a".to_owned(), "also-a".to_owned()]));
    site.manager.stop().await;
}

#[tokio::test]
async fn a_source_with_new_settings_keeps_its_targets_until_its_first_answer() {
    let site = Site::new();
    site.write("a.json", &["a:1", "a:2"]);
    site.apply(&[("a", &["a.json"]), ("shared", &["a.json"])]);
    site.wait("a", &["a:1", "a:2"]).await;
    // The new file cannot be read yet. The second job asks for nothing any more.
    fs::write(site.folder.path().join("new.json"), "[").unwrap();
    site.apply(&[("a", &["new.json"]), ("shared", &[])]);
    assert_eq!(site.addresses("a"), ["a:1", "a:2"]);
    assert!(site.addresses("shared").is_empty());
    // Another change before the first answer still keeps them.
    fs::write(site.folder.path().join("newer.json"), "[").unwrap();
    site.apply(&[("a", &["newer.json"])]);
    assert_eq!(site.addresses("a"), ["a:1", "a:2"]);
    site.write("newer.json", &["c:1"]);
    site.wait("a", &["c:1"]).await;
    // A job that is new has nothing to keep, and a source of another job leaves it nothing.
    site.apply(&[("b", &["new.json"])]);
    assert!(site.addresses("b").is_empty() && site.addresses("a").is_empty());
    site.manager.stop().await;
}

#[test]
fn of_two_sources_that_change_each_has_its_own_successor() {
    let config = |file: &str| {
        let text = format!("scrape_configs: [{{job_name: a, file_sd_configs: [{{files: [{file}]}}]}}]");
        load(&text, Path::new("/p.yml")).unwrap().scrape_configs[0].sources[0].clone()
    };
    let ended = |file: &str, jobs: &[&str]| {
        let found = Arc::new(Found::default());
        let group = TargetGroup { source: file.to_owned(), ..TargetGroup::default() };
        found.groups.lock().insert(file.to_owned(), Arc::new(group));
        let jobs = jobs.iter().map(|job| (*job).to_owned()).collect();
        Provider { config: config(file), jobs, found, stop: CancellationToken::new() }
    };
    let mut all = vec![ended("x.yml", &["a"]), ended("y.yml", &["a", "b"])];
    let mut heir = |jobs: &[&str]| {
        let jobs: Vec<String> = jobs.iter().map(|job| (*job).to_owned()).collect();
        inherit(&mut all, &config("z.yml"), &jobs)
            .map(|inherited| (inherited.groups.into_keys().collect::<Vec<_>>(), inherited.jobs.len()))
    };
    assert_eq!(heir(&["c"]), None);
    assert_eq!(heir(&["a", "b"]), Some((vec!["x.yml".to_owned()], 1)));
    assert_eq!(heir(&["a", "b"]), Some((vec!["y.yml".to_owned()], 2)));
    assert_eq!(heir(&["a", "b"]), None);
}
