//! `watchfire top`: this host and its containers, live in the terminal, without a server.
//!
//! # Reading order: `sample` (numbers out of metric families), `view` (what is drawn), then the loop here.

mod sample;
mod view;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use wf_container_exporter::{Config as ContainerConfig, ContainerExporter};
use wf_node_exporter::{Config as HostConfig, NodeExporter, Selection};

use sample::{Sample, Usage};

/// Collectors whose numbers are shown.
const COLLECTORS: [&str; 7] = ["cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "uname"];

/// A page of text for whoever has no terminal.
const PAGE: (u16, u16) = (120, 40);

/// Options of `top`.
#[derive(Debug, clap::Args)]
pub(crate) struct TopOptions {
    /// Time between two looks
    #[arg(long, default_value = "2s", value_parser = interval)]
    interval: Duration,
    /// Print one page of text after one interval and end
    #[arg(long)]
    once: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let parsed = wf_model::duration::parse(text).map_err(|error| error.to_string())?;
    if parsed < Duration::from_millis(100) {
        return Err("at least 100ms".to_owned());
    }
    Ok(parsed)
}

pub(crate) fn main(options: &TopOptions) -> ExitCode {
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

/// What is looked at.
struct Eyes {
    runtime: tokio::runtime::Runtime,
    host: NodeExporter,
    containers: ContainerExporter,
}

impl Eyes {
    fn open() -> Result<Self> {
        let mut host = HostConfig { disable_exporter_metrics: true, ..HostConfig::default() };
        host.collectors.retain(|name| COLLECTORS.contains(name));
        let mut containers = ContainerConfig { max_age: Duration::ZERO, ..ContainerConfig::default() };
        let hidden = ["cpuLoad", "disk", "diskIO", "oom_event", "pressure", "process"];
        containers.kinds.retain(|kind| !hidden.contains(kind));
        Ok(Self {
            runtime: crate::server::runtime()?,
            host: NodeExporter::new(host)?,
            containers: ContainerExporter::new(containers),
        })
    }

    fn look(&self) -> Sample {
        let mut families = self.host.gather_blocking(&Selection::All, Duration::from_secs(5));
        // Without containers the host is still worth a look.
        if let Ok(of_containers) = self.runtime.block_on(self.containers.gather()) {
            families.extend(of_containers.iter().cloned());
        }
        Sample::new(Instant::now(), &families)
    }
}

fn run(options: &TopOptions) -> Result<()> {
    let eyes = Eyes::open()?;
    let first = eyes.look();
    if options.once {
        std::thread::park_timeout(options.interval);
        let usage = Usage::between(&first, &eyes.look());
        crate::say(&page(&usage)?);
        return Ok(());
    }
    if !std::io::stdout().is_terminal() {
        bail!("this is no terminal: use --once for a page of text");
    }
    let mut terminal = ratatui::try_init().context("open the terminal")?;
    let shown = show(&mut terminal, &eyes, first, options.interval);
    ratatui::restore();
    shown
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    eyes: &Eyes,
    first: Sample,
    interval: Duration,
) -> Result<()> {
    let mut before = first;
    let mut usage = Usage::between(&before, &before);
    let mut next = Instant::now() + interval.min(Duration::from_millis(500));
    loop {
        terminal.draw(|frame| view::draw(frame, &usage)).context("draw")?;
        if event::poll(next.saturating_duration_since(Instant::now())).context("read keys")? {
            if let Event::Key(key) = event::read().context("read keys")? {
                let is_interrupt =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return Ok(());
                }
            }
            continue;
        }
        let now = eyes.look();
        usage = Usage::between(&before, &now);
        before = now;
        next = Instant::now() + interval;
    }
}

/// The same picture as text.
fn page(usage: &Usage) -> Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(PAGE.0, PAGE.1))?;
    terminal.draw(|frame| view::draw(frame, usage))?;
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..PAGE.1 {
        let line: String =
            (0..PAGE.0).filter_map(|x| buffer.cell((x, y))).map(|cell| cell.symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text.trim_end().to_owned())
}
