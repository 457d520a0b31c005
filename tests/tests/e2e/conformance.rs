//! `watchfire tool promql test` runs every script of the conformance data.

use std::fs;

use wf_e2e::figure;
use wf_e2e::process::run;
use wf_e2e::skip::{binary, conformance};

use crate::setup::Site;

/// Evaluations that pass today; the promql issue takes it to all 1,470. It only goes up.
const FLOOR: usize = 1470;

#[test]
fn every_conformance_script_is_run() {
    let (Some(binary), Some(folder)) = (binary(), conformance("promql")) else { return };
    let mut scripts: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| path.ends_with(".test"))
        .collect();
    scripts.sort();
    let mut arguments = vec!["tool", "promql", "test"];
    arguments.extend(scripts.iter().map(String::as_str));
    let (code, out, err) = run(&binary, &arguments).unwrap();
    let last = out.lines().last().unwrap_or_default();
    let numbers: Vec<usize> =
        last.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    let [passed, failed] = numbers[..] else { panic!("no verdict in {last:?}:\n{err}") };
    figure("conformance scripts run", scripts.len());
    figure("conformance evaluations passed", format!("{passed} of {}", passed + failed));
    assert!(passed >= FLOOR, "{passed} passed, at least {FLOOR} did before");
    assert_eq!(code == 0, failed == 0, "exit code {code} with {failed} failures");
}

#[test]
fn a_wrong_script_fails_with_file_and_line() {
    let Some(binary) = binary() else { return };
    let site = Site::new();
    let check = |text: &str, want: &[&str]| {
        let file = site.path("wrong.test");
        fs::write(&file, text).unwrap();
        let (code, out, err) = run(&binary, &["tool", "promql", "test", file.to_str().unwrap()]).unwrap();
        assert_ne!(code, 0, "{out}{err}");
        for part in want {
            assert!((out.clone() + &err).contains(part), "want {part:?} in:\n{out}{err}");
        }
    };
    let load = "load 1m\n  m 0 1 2\n\n";
    check(&format!("{load}eval instant at 1m m\n  m 7\n"), &["wrong.test:4", "7", "0 passed, 1 failed"]);
    check(load, &["no evaluation"]);
    check("eval instant at nonsense\n", &["wrong.test:1"]);
}
