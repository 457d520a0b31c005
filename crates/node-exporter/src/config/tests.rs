//! What flags mean.

use super::*;

fn run(arguments: &[&str]) -> Config {
    match Config::from_flags(arguments).unwrap() {
        Command::Run(config) => *config,
        other => panic!("{other:?}"),
    }
}

fn error(arguments: &[&str]) -> String {
    Config::from_flags(arguments).unwrap_err().to_string()
}

#[test]
fn values_follow_or_are_joined() {
    let config = run(&["--path.procfs", "/host/proc", "--path.sysfs=/host/sys", "--web.max-requests=7"]);
    assert_eq!(config.paths.proc.to_str(), Some("/host/proc"));
    assert_eq!(config.paths.sys.to_str(), Some("/host/sys"));
    assert_eq!((config.max_requests, config.listen_addresses.as_slice()), (7, &[":9100".to_owned()][..]));
    let config = run(&["--web.listen-address=[::1]:9100", "--web.listen-address", ":1"]);
    assert_eq!(config.listen_addresses, ["[::1]:9100", ":1"]);
}

#[test]
fn collectors_are_switched_one_by_one_or_all() {
    assert!(run(&[]).collectors.contains("cpu"));
    assert!(!run(&["--no-collector.cpu"]).collectors.contains("cpu"));
    let only = run(&["--collector.disable-defaults", "--collector.loadavg"]);
    assert_eq!(only.collectors.into_iter().collect::<Vec<_>>(), ["loadavg"]);
    assert_eq!(error(&["--collector.cpu", "--collector.cpu"]), "flag --collector.cpu cannot be repeated");
    assert_eq!(
        error(&["--collector.cpu=true"]),
        "flag --collector.cpu takes no value: write --collector.cpu or --no-collector.cpu"
    );
}

#[test]
fn an_include_clears_the_built_in_exclude_and_excludes_a_given_one() {
    let config = run(&["--collector.diskstats.device-include=^sd"]);
    assert_eq!((config.diskstats_include.as_str(), config.diskstats_exclude.as_str()), ("^sd", ""));
    let both = ["--collector.netdev.device-include=a", "--collector.netdev.device-exclude=b"];
    assert!(error(&both).contains("mutually exclusive"));
    let old_and_new =
        ["--collector.filesystem.ignored-fs-types=a", "--collector.filesystem.fs-types-exclude=b"];
    assert!(error(&old_and_new).contains("mutually exclusive"));
}

#[test]
fn what_has_no_effect_is_refused() {
    assert_eq!(error(&["--web.nonsense"]), "unknown flag --web.nonsense: see --help");
    assert_eq!(error(&["--collector.nonsense"]), "unknown flag --collector.nonsense: see --help");
    assert_eq!(error(&["serve"]), "unexpected argument \"serve\": only flags are taken");
    assert_eq!(error(&["--collector.devstat"]), "unknown flag --collector.devstat: see --help");
    assert!(error(&["--collector.perf.cpus=x"]).contains("not a list of CPUs"));
    assert!(error(&["--collector.perf.cache-profilers=x"]).contains("not a profiler"));
    assert!(error(&["--web.max-requests=many"]).contains("not a whole number"));
    assert!(error(&["--log.level=loud"]).contains("not a log level"));
    assert!(error(&["--collector.vmstat.fields=("]).contains("error parsing regexp"));
    assert!(error(&["--collector.netdev.device-exclude=*"]).contains("error parsing regexp"));
    assert!(error(&["--collector.ipvs.backend-labels=port"]).contains("not a list of local_address"));
    assert!(error(&["--collector.sysctl.include=../x"]).contains("not the name of a setting"));
    assert!(error(&["@/nonexistent"]).contains("read arguments from /nonexistent"));
    assert!(error(&["--path.procfs"]).contains("needs a value"));
}

#[test]
fn a_file_of_arguments_is_read_line_by_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "--no-collector.cpu\n\n--collector.textfile.directory=/a b\n").unwrap();
    let config = run(&[&format!("@{}", file.path().display()), "--collector.textfile.directory=/c"]);
    assert_eq!(config.textfile_directories, ["/a b", "/c"]);
    assert!(!config.collectors.contains("cpu"));
}

#[test]
fn stock_charts_start() {
    run(&[
        "--path.procfs=/host/proc",
        "--path.sysfs=/host/sys",
        "--path.rootfs=/host/root",
        "--path.udev.data=/host/root/run/udev/data",
        "--web.listen-address=[10.0.0.1]:9100",
        r"--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|run/containerd/.+|var/lib/docker/.+)($|/)",
    ]);
    let config = run(&[
        "--no-collector.wifi",
        "--no-collector.hwmon",
        "--no-collector.btrfs",
        "--collector.netclass.ignored-devices=^(veth.*|[a-f0-9]{15})$",
        "--collector.netdev.device-exclude=^(veth.*|[a-f0-9]{15})$",
    ]);
    assert_eq!(config.netclass_ignored, config.netdev.exclude);
}

#[test]
fn help_and_version_come_first() {
    let Command::Help(text) = Config::from_flags(&["--help"]).unwrap() else { panic!() };
    assert!(text.contains("--[no-]collector.cpu\n") && text.contains("--path.procfs\n"));
    assert!(matches!(Config::from_flags(&["--version"]).unwrap(), Command::Version));
}

#[test]
fn every_default_can_be_switched_off_and_on() {
    for entry in crate::collector::TABLE {
        let (on, off) = (format!("--collector.{}", entry.name), format!("--no-collector.{}", entry.name));
        assert!(run(&[&on]).collectors.contains(entry.name));
        assert!(!run(&[&off]).collectors.contains(entry.name));
    }
}
