//! `watchfire tool tsdb` beside `promtool tsdb`: the same arguments, the same output.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use wf_e2e::process::run;
use wf_e2e::skip;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs a program to its successful end and returns what it printed.
fn output(program: &Path, args: &[&str]) -> String {
    let (code, out, err) = run(program, args).unwrap();
    assert_eq!(code, 0, "{args:?}: {err}");
    out
}

fn page() -> String {
    let mut page = String::from("# HELP m Help.\n# TYPE m gauge\n");
    for series in 0..20 {
        for idx in 0..300 {
            let value = ["1", "2.5e-7", "NaN", "+Inf", "-17"][(idx + series) % 5];
            let time_s = 1_600_000_000 + idx * 60;
            page.push_str(&format!("m{{id=\"{series}\",path=\"/a \\\"b\\\"\"}} {value} {time_s}.25\n"));
        }
    }
    page.push_str("# EOF\n");
    page
}

fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn both_programs_make_and_read_the_same_blocks() {
    let (Some(ours), Some(theirs)) = (skip::binary(), skip::peer("promtool")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("page");
    fs::write(&input, page()).unwrap();
    let data = ["ours", "theirs"].map(|name| dir.path().join(name));
    let tables = [(&ours, &data[0]), (&theirs, &data[1])].map(|(program, data)| {
        let tool: &[&str] = if program == &ours { &["tool"] } else { &[] };
        let command = ["tsdb", "create-blocks-from", "openmetrics", text(&input), text(data)];
        let made = output(program, &[tool, &command].concat());
        fs::create_dir_all(data.join("wal")).unwrap();
        // All but names and sizes: the original writes sections that nobody reads any more.
        let rows = made.lines().map(|row| row.split_whitespace().skip(1).collect::<Vec<_>>()).skip(1);
        rows.map(|row| row[..6].iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()).collect::<Vec<_>>()
    });
    assert_eq!(tables[0], tables[1]);
    assert!(tables[0].len() > 2);
    for data in &data {
        for command in [&["list"][..], &["list", "-r"], &["list", "--human-readable"]] {
            let args = [&["tsdb"][..], command, &[text(data)]].concat();
            assert_eq!(output(&ours, &[&["tool"][..], &args].concat()), output(&theirs, &args), "{args:?}");
        }
        for command in [
            &["dump"][..],
            &["dump", "--match={id=~\"1.\"}", "--min-time=1600000060250", "--max-time=1600000120250"],
            &["analyze", "--limit=100", "--extended"],
        ] {
            let args = [&["tsdb"][..], command, &[text(data)]].concat();
            let (mine, original) = (output(&ours, &[&["tool"][..], &args].concat()), output(&theirs, &args));
            assert_eq!(sorted(&mine), sorted(&original), "{args:?}");
        }
    }
}

#[test]
fn damage_is_named_and_repaired() {
    let Some(binary) = skip::binary() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (input, data) = (dir.path().join("page"), dir.path().join("data"));
    fs::write(&input, page()).unwrap();
    let create = ["tool", "tsdb", "create-blocks-from", "openmetrics", "-q", "--label", "site=x"];
    assert_eq!(output(&binary, &[&create[..], &[text(&input), text(&data)]].concat()), "");
    let tool =
        |command: &[&str]| run(&binary, &[&["tool", "tsdb"][..], command, &[text(&data)]].concat()).unwrap();
    let (code, report, _) = tool(&["verify"]);
    assert!(code == 0 && report.ends_with("all is well\n"), "{report}");
    let block =
        fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let chunks = block.join("chunks/000001");
    let mut bytes = fs::read(&chunks).unwrap();
    bytes[20] ^= 4;
    fs::write(&chunks, bytes).unwrap();

    let (code, report, _) = tool(&["verify"]);
    let want = format!("{} at byte 8: checksum of the chunk does not match", text(&chunks));
    assert!(code == 1 && report.lines().any(|line| line == want), "{report}");
    let (code, report, _) = tool(&["repair"]);
    assert!(code == 0 && report.ends_with("repeat with --apply to do this\n"), "{report}");
    assert!(block.exists());
    let (code, report, _) = tool(&["repair", "--apply"]);
    assert!(code == 0 && report.contains("and 1 chunks; the damaged block is set aside"), "{report}");
    assert_eq!(tool(&["verify"]).0, 0);
    let (_, dumped, _) = tool(&["dump"]);
    let series: BTreeSet<&str> =
        dumped.lines().filter_map(|line| line.split_once('}')).map(|(name, _)| name).collect();
    assert!(series.len() == 20 && series.iter().all(|name| name.contains("site=\"x\"")), "{series:?}");
    assert!((5000..6000).contains(&dumped.lines().count()), "{}", dumped.lines().count());
}

#[test]
fn a_write_bench_says_how_fast_it_was() {
    let Some(binary) = skip::binary() else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let args = ["tool", "tsdb", "bench", "write", "--metrics=100", "--scrapes=20", "--out", text(&out)];
    let report = output(&binary, &args);
    assert!(report.contains(">> total samples: 2000\n") && report.contains(">> samples/sec: "), "{report}");
    assert_eq!(run(&binary, &args).unwrap().0, 1, "the directory is there already");
}
