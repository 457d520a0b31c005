//! Jobs, loops and schedules, in paused time; targets are functions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use tokio::time::sleep;

use super::*;
use crate::config::{ScrapeLimits, TargetGroup};
use crate::fetch::{FetchFuture, FetchRequest, RawPage};
use crate::target::Health;
use crate::testing::FakeSink;

/// What a target does when asked.
enum Reply {
    Page(String),
    Slow(Duration, String),
    Hang,
    Fail(u16),
}

type Answer = dyn Fn(&str, u64) -> Reply + Send + Sync;

struct FakeFetch {
    answer: Arc<Answer>,
    n_asked: AtomicU64,
}

impl fmt::Debug for FakeFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeFetch")
    }
}

impl Fetch for FakeFetch {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let n = self.n_asked.fetch_add(1, Ordering::SeqCst);
        let reply = (self.answer)(request.url.host_str().unwrap_or(""), n);
        Box::pin(async move {
            let body = match reply {
                Reply::Page(body) => body,
                Reply::Slow(time, body) => {
                    sleep(time).await;
                    body
                }
                Reply::Hang => std::future::pending().await,
                Reply::Fail(status) => {
                    return Err(ScrapeError::Status(http::StatusCode::from_u16(status).unwrap()));
                }
            };
            Ok(RawPage {
                body: body.into_bytes(),
                content_type: Some("text/plain".to_owned()),
                ..RawPage::default()
            })
        })
    }
}

const INTERVAL: Duration = Duration::from_secs(10);
const INTERVAL_MS: i64 = 10_000;

struct Lab {
    manager: Arc<ScrapeManager>,
    sink: Arc<FakeSink>,
    registry: Registry,
    fetch: Arc<FakeFetch>,
}

impl Lab {
    /// Every target answers by `answer(host, number of the request)`.
    fn new(answer: impl Fn(&str, u64) -> Reply + Send + Sync + 'static) -> Self {
        let sink = Arc::new(FakeSink::default());
        let registry = Registry::new();
        let start = tokio::time::Instant::now();
        let epoch = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let clock = WallClock::new(move || epoch + start.elapsed());
        let options = ScrapeOptions { clock, host_name: "lab".to_owned(), ..ScrapeOptions::default() };
        let manager =
            Arc::new(ScrapeManager::new(Arc::clone(&sink) as Arc<dyn SampleSink>, &registry, options));
        let fetch = Arc::new(FakeFetch { answer: Arc::new(answer), n_asked: AtomicU64::new(0) });
        Self { manager, sink, registry, fetch }
    }

    fn reload(&self, jobs: &[JobConfig]) {
        let config = ScrapeConfig { jobs: jobs.to_vec(), external_labels: Labels::empty() };
        self.manager.reload_with(&config, |_| Ok(Arc::clone(&self.fetch) as Arc<dyn Fetch>)).unwrap();
    }

    /// Lets `n` intervals pass.
    async fn pass(&self, n: u32) {
        sleep(INTERVAL * n).await;
    }

    /// Samples of a series without their times.
    fn values(&self, name: &str) -> Vec<String> {
        let value = |sample: &String| sample.split_once('=').unwrap().1.to_owned();
        self.sink.samples(name).iter().map(value).collect()
    }

    fn times(&self, name: &str) -> Vec<i64> {
        self.sink
            .samples(name)
            .iter()
            .map(|sample| sample.split_once('=').unwrap().0.parse().unwrap())
            .collect()
    }

    fn status(&self, host: &str) -> TargetStatus {
        let targets = self.manager.targets().active;
        targets.into_iter().find(|target| target.url.contains(host)).unwrap().status
    }

    fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name == name).unwrap();
        match family.metrics[0].value {
            wf_exposition::MetricValue::Number(value) => value,
            _ => panic!("{name} is no number"),
        }
    }
}

fn job(name: &str, hosts: &[&str]) -> JobConfig {
    let settings =
        JobSettings { interval: INTERVAL, timeout: Duration::from_secs(3), ..JobSettings::default() };
    let groups = vec![TargetGroup::of_addresses(hosts, Labels::empty())];
    JobConfig { name: name.to_owned(), settings, groups }
}

fn page(_: &str, n: u64) -> Reply {
    Reply::Page(format!("# TYPE m gauge\nm {n}\n"))
}

#[tokio::test(start_paused = true)]
async fn targets_are_scraped_on_their_grid() {
    let lab = Lab::new(page);
    lab.reload(&[job("j", &["a:1"])]);
    assert_eq!(lab.status("a").health, Health::Unknown);
    lab.pass(5).await;
    let times = lab.times("m");
    assert_eq!(lab.values("m"), ["0", "1", "2", "3", "4"]);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == INTERVAL_MS), "{times:?}");
    assert_eq!(lab.times("up"), times);
    let status = lab.status("a");
    assert_eq!((status.health, status.last_error.as_str()), (Health::Up, ""));
    assert_eq!(status.last_scrape_ms, times.last().copied());
    let metadata = lab.manager.metadata();
    assert_eq!((&*metadata[0].families[0].name, metadata[0].job.as_str()), ("m", "j"));
    assert_eq!(lab.metric("prometheus_target_metadata_cache_entries"), 1.0);
    assert_eq!(lab.metric("prometheus_target_scrape_pool_targets"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_target_keeps_its_place_over_restarts_and_differs_from_its_replicas() {
    let mut offsets = Vec::new();
    for external in ["", "", "b"] {
        let lab = Lab::new(page);
        let config = ScrapeConfig {
            jobs: vec![job("j", &["a:1"])],
            external_labels: Labels::from_pairs([("r", external)]),
        };
        lab.manager.reload_with(&config, |_| Ok(Arc::clone(&lab.fetch) as Arc<dyn Fetch>)).unwrap();
        lab.pass(2).await;
        offsets.push(lab.times("m")[0] % INTERVAL_MS);
    }
    assert_eq!(offsets[0], offsets[1]);
    assert_ne!(offsets[0], offsets[2]);
}

#[tokio::test(start_paused = true)]
async fn bad_targets_are_down_with_their_reason_and_hold_up_nobody() {
    let lab = Lab::new(|host, n| match host {
        "hang" => Reply::Hang,
        "error" => Reply::Fail(500),
        "garbage" => Reply::Page("<html>".to_owned()),
        host => page(host, n),
    });
    lab.reload(&[job("j", &["hang:1", "error:1", "garbage:1", "good:1"])]);
    lab.pass(5).await;
    let check = |host: &str, want: &str| {
        let status = lab.status(host);
        assert!(status.health == Health::Down && status.last_error.contains(want), "{host}: {status:?}");
    };
    check("hang", "context deadline exceeded");
    check("error", "server returned HTTP status 500");
    check("garbage", "line 1, column 1: expected a metric name");
    assert_eq!(lab.values("m").len(), 5);
    let hang = r#"{__name__="scrape_duration_seconds", instance="hang:1", job="j"}"#;
    assert!(lab.values(hang).iter().all(|value| value.starts_with("3")), "{:?}", lab.values(hang));
}

#[tokio::test(start_paused = true)]
async fn failed_scrapes_are_logged_to_the_jobs_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("failures.json");
    let lab = Lab::new(|host, n| if host == "bad" { Reply::Fail(500) } else { page(host, n) });
    let mut jobs = [job("j\"1", &["good:1", "bad:1"]), job("silent", &["bad:1"])];
    jobs[0].settings.failure_log = Some(path.clone());
    lab.reload(&jobs);
    lab.pass(2).await;
    let log = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["msg"], "server returned HTTP status 500 Internal Server Error");
    assert_eq!(
        (&lines[0]["job_name"], &lines[0]["target"]),
        (&"j\"1".into(), &"http://bad:1/metrics".into())
    );
    assert!(lines[0]["time"].as_str().unwrap().starts_with("2023-11-14T22:13:"), "{}", lines[0]["time"]);
    // Moved away: a reload opens a new one.
    std::fs::rename(&path, dir.path().join("old")).unwrap();
    lab.reload(&jobs);
    lab.pass(1).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    jobs[1].settings.failure_log = Some(dir.path().join("no/such/directory"));
    let config = ScrapeConfig { jobs: jobs.to_vec(), external_labels: Labels::empty() };
    let refused = lab.manager.reload_with(&config, |_| Ok(Arc::clone(&lab.fetch) as Arc<dyn Fetch>));
    assert!(refused.unwrap_err().to_string().starts_with("open scrape_failure_log_file "));
}

#[tokio::test(start_paused = true)]
async fn a_target_with_histogram_settings_of_its_own_keeps_them_over_reloads() {
    let lab = Lab::new(|_, _| {
        Reply::Page("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n".to_owned())
    });
    let mut job = job("j", &["a:1"]);
    let own =
        Labels::from_pairs([("__address__", "b:1"), ("__convert_classic_histograms_to_nhcb__", "true")]);
    job.groups.push(TargetGroup { targets: vec![own], labels: Labels::empty() });
    lab.reload(&[job.clone()]);
    lab.pass(1).await;
    let native: Vec<_> = lab.sink.take_histograms().into_iter().map(|(labels, ..)| labels).collect();
    assert_eq!(native, [r#"{__name__="h", instance="b:1", job="j"}"#]);
    let before =
        lab.manager.pools.lock()["j"].loops.values().map(|l| Arc::as_ptr(&l.plan)).collect::<Vec<_>>();
    lab.reload(&[job]);
    let after =
        lab.manager.pools.lock()["j"].loops.values().map(|l| Arc::as_ptr(&l.plan)).collect::<Vec<_>>();
    assert_eq!(before, after, "nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_misses_ticks_instead_of_bursting() {
    let lab = Lab::new(|_, n| match n {
        0 => Reply::Slow(Duration::from_secs(25), "m 0\n".to_owned()),
        n => Reply::Page(format!("m {n}\n")),
    });
    let mut slow = job("j", &["a:1"]);
    slow.settings.timeout = INTERVAL;
    lab.reload(&[slow]);
    lab.pass(4).await;
    // The first scrape timed out at the end of its interval: the next tick is the one after.
    let times = lab.times("up");
    assert_eq!(times[1] - times[0], 2 * INTERVAL_MS);
    assert_eq!(times[2] - times[1], INTERVAL_MS);
}

#[tokio::test(start_paused = true)]
async fn a_removed_target_goes_stale_after_two_ticks_at_the_first_it_missed() {
    let lab = Lab::new(page);
    lab.reload(&[job("j", &["a:1", "b:1"])]);
    lab.pass(2).await;
    let series = r#"{__name__="m", instance="b:1", job="j"}"#;
    let last = *lab.times(series).last().unwrap();
    lab.reload(&[job("j", &["a:1"])]);
    assert_eq!(lab.manager.targets().active.len(), 1);
    lab.pass(1).await;
    assert_eq!(lab.times(series).len(), 2, "not yet: the target may come back");
    lab.pass(2).await;
    assert_eq!(lab.sink.samples(series).last().unwrap(), &format!("{}=stale", last + INTERVAL_MS));
    let up = r#"{__name__="up", instance="b:1", job="j"}"#;
    assert_eq!(lab.sink.samples(up).last().unwrap(), &format!("{}=stale", last + INTERVAL_MS));
    assert!(!lab.values(r#"{__name__="m", instance="a:1", job="j"}"#).contains(&"stale".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_comes_back_in_time_goes_on() {
    let lab = Lab::new(page);
    let both = [job("j", &["a:1", "b:1"])];
    lab.reload(&both);
    lab.pass(2).await;
    lab.reload(&[job("j", &["a:1"])]);
    lab.reload(&both);
    lab.pass(5).await;
    assert!(!lab.values(r#"{__name__="m", instance="b:1", job="j"}"#).contains(&"stale".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn neither_shutdown_nor_the_end_of_a_job_writes_markers() {
    let lab = Lab::new(page);
    lab.reload(&[job("j", &["a:1"]), job("k", &["b:1"])]);
    lab.pass(2).await;
    lab.reload(&[job("j", &["a:1"])]);
    lab.pass(4).await;
    let stop = CancellationToken::new();
    let run = tokio::spawn({
        let (manager, stop) = (Arc::clone(&lab.manager), stop.clone());
        async move { manager.run(stop).await }
    });
    stop.cancel();
    run.await.unwrap();
    lab.pass(4).await;
    assert!(
        !lab.values("m").contains(&"stale".to_owned()) && !lab.values("up").contains(&"stale".to_owned())
    );
    let config = ScrapeConfig { jobs: vec![job("j", &[])], external_labels: Labels::empty() };
    assert!(matches!(lab.manager.reload(&config), Err(ReloadError::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_a_target_that_hangs() {
    let lab = Lab::new(|_, _| Reply::Hang);
    let mut patient = job("j", &["a:1"]);
    patient.settings.timeout = INTERVAL;
    lab.reload(&[patient]);
    sleep(INTERVAL).await;
    let before = tokio::time::Instant::now();
    let stop = CancellationToken::new();
    stop.cancel();
    lab.manager.run(stop).await;
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_caches_unless_the_meaning_of_series_changes() {
    let lab = Lab::new(page);
    let mut config = job("j", &["a:1"]);
    lab.reload(std::slice::from_ref(&config));
    lab.pass(2).await;
    lab.reload(std::slice::from_ref(&config));
    lab.pass(1).await;
    config.settings.interval = Duration::from_secs(5);
    lab.reload(std::slice::from_ref(&config));
    lab.pass(2).await;
    assert_eq!(lab.values("scrape_series_added").iter().filter(|added| *added != "0").count(), 1);
    assert!(lab.values("m").len() >= 6, "the new interval holds: {:?}", lab.sink.samples("m"));
    assert!(!lab.values("m").contains(&"stale".to_owned()));
    config.settings.honor_labels = true;
    lab.reload(std::slice::from_ref(&config));
    lab.pass(3).await;
    assert_eq!(lab.values("scrape_series_added").iter().filter(|added| *added != "0").count(), 2);
    assert!(
        !lab.values("m").contains(&"stale".to_owned()),
        "the series goes on, its markers are out of order"
    );
    assert_eq!(lab.metric("prometheus_target_scrape_pool_reloads_total"), 2.0);
}

#[tokio::test(start_paused = true)]
async fn targets_of_one_job_are_exchanged_without_looking_at_another() {
    let lab = Lab::new(page);
    lab.reload(&[job("j", &["a:1", "b:1"]), job("k", &["c:1"])]);
    lab.pass(1).await;
    let syncs = |name: &str| {
        let families = lab.registry.gather();
        let family = families.iter().find(|family| family.name == "prometheus_target_scrape_pool_sync_total");
        let of_job = family.unwrap().metrics.iter().find(|metric| format!("{metric:?}").contains(name));
        format!("{:?}", of_job.unwrap().value)
    };
    let before = (syncs("\"j\""), syncs("\"k\""));
    let found = ScrapeConfig {
        jobs: vec![job("j", &["b:1", "d:1"]), job("unknown", &["e:1"])],
        external_labels: Labels::empty(),
    };
    lab.manager.update_targets(&found);
    let urls: Vec<String> = lab.manager.targets().active.into_iter().map(|target| target.url).collect();
    assert_eq!(urls, ["http://b:1/metrics", "http://d:1/metrics", "http://c:1/metrics"]);
    assert_ne!(syncs("\"j\""), before.0);
    assert_eq!(syncs("\"k\""), before.1);
    lab.pass(2).await;
    // The one that stayed was not new again.
    let added = lab.values("scrape_series_added");
    assert_eq!(added.iter().filter(|added| *added == "1").count(), 4, "{added:?}");
}

#[tokio::test(start_paused = true)]
async fn too_many_targets_are_all_down_and_not_asked() {
    let lab = Lab::new(page);
    let mut config = job("j", &["a:1", "b:1"]);
    config.settings.limits = ScrapeLimits { n_targets_max: 1, ..ScrapeLimits::default() };
    lab.reload(&[config]);
    lab.pass(2).await;
    assert_eq!(lab.status("a").last_error, "target_limit exceeded (number of targets: 2, limit: 1)");
    assert_eq!(lab.fetch.n_asked.load(Ordering::SeqCst), 0);
    assert_eq!(lab.values("up"), ["0", "0", "0", "0"]);
    assert_eq!(lab.metric("prometheus_target_scrape_pool_exceeded_target_limit_total"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_one_scrape_of_one_target() {
    let lab = Lab::new(page);
    lab.reload(&[job("j", &["a:1"])]);
    lab.pass(1).await;
    lab.sink.panic_once();
    lab.pass(1).await;
    assert!(lab.status("a").last_error.contains("internal error"));
    lab.pass(1).await;
    assert_eq!(lab.status("a").health, Health::Up);
    assert_eq!(lab.values("m"), ["0", "2"]);
}

#[tokio::test]
async fn a_job_whose_client_cannot_be_built_changes_nothing() {
    let lab = Lab::new(page);
    lab.reload(&[job("j", &["a:1"])]);
    let mut bad = job("k", &["b:1"]);
    bad.settings.client.proxy_url = Some("gopher://proxy:1".to_owned());
    let config = ScrapeConfig { jobs: vec![bad], external_labels: Labels::empty() };
    let error = lab.manager.reload(&config).unwrap_err().to_string();
    assert!(error.contains("job \"k\"") && error.contains("proxy"), "{error}");
    assert_eq!(lab.manager.targets().active[0].job, "j");
    let twice = ScrapeConfig { jobs: vec![job("j", &[]), job("j", &[])], external_labels: Labels::empty() };
    assert!(matches!(lab.manager.reload(&twice), Err(ReloadError::DuplicateJob(_))));
}

#[tokio::test(start_paused = true)]
async fn metrics_bear_the_names_that_dashboards_ask_for() {
    let lab = Lab::new(|_, n| Reply::Page(format!("m {n}\nm {n}\nfar 1 99999999999999\n")));
    lab.reload(&[job("j", &["a:1"])]);
    lab.pass(3).await;
    assert_eq!(lab.metric("prometheus_target_scrapes_sample_duplicate_timestamp_total"), 3.0);
    assert_eq!(lab.metric("prometheus_target_scrapes_sample_out_of_bounds_total"), 3.0);
    let mut page = String::new();
    wf_exposition::text::write_page(&mut page, &lab.registry.gather());
    for line in [
        "prometheus_target_interval_length_seconds{interval=\"10s\",quantile=\"0.5\"} 10",
        "prometheus_target_interval_length_seconds_count{interval=\"10s\"} 2",
        "prometheus_target_interval_length_seconds_histogram_bucket{interval=\"10s\",le=\"10\"}",
        "prometheus_target_sync_length_seconds_count{scrape_job=\"j\"} 1",
        "prometheus_target_scrape_pool_sync_total{scrape_job=\"j\"} 1",
        "prometheus_target_scrape_pool_target_limit{scrape_job=\"j\"} 0",
        "prometheus_target_scrape_pools_total 1",
        "prometheus_target_scrapes_sample_out_of_order_total 0",
        "prometheus_target_scrapes_exceeded_sample_limit_total 0",
        "prometheus_target_scrapes_exceeded_body_size_limit_total 0",
        "prometheus_target_scrapes_cache_flush_forced_total 0",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}
