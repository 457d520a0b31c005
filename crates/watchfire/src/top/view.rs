//! What is drawn.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Gauge, Row, Table};

use super::sample::Usage;

/// Draws one page: the host above, containers below.
pub(super) fn draw(frame: &mut Frame<'_>, usage: &Usage) {
    let [title, gauges, devices, containers, help] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Length(9),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let [one, five, fifteen] = usage.load;
    let text = format!("{}  load {one:.2} {five:.2} {fifteen:.2}  {} CPUs", usage.name, usage.n_cpus);
    frame.render_widget(Line::from(text).bold(), title);
    draw_gauges(frame, gauges, usage);
    draw_devices(frame, devices, usage);
    let rows = usage
        .containers
        .iter()
        .map(|(name, [cpu, memory])| [name.clone(), format!("{cpu:.2}"), bytes(*memory)]);
    let widths = [Constraint::Min(30), Constraint::Length(8), Constraint::Length(11)];
    table(frame, containers, "Containers", ["name", "CPUs", "memory"], rows, widths);
    frame.render_widget(Line::from("q ends").dim(), help);
}

fn draw_gauges(frame: &mut Frame<'_>, area: Rect, usage: &Usage) {
    let [cpu, memory, swap] = Layout::horizontal([Constraint::Ratio(1, 3); 3]).areas(area);
    let [busy, waiting] = usage.cpu;
    let label = format!("{:.0} % busy, {:.0} % waiting", busy * 100.0, waiting * 100.0);
    gauge(frame, cpu, "CPU", busy, label);
    for (area, title, [used, all]) in [(memory, "Memory", usage.memory), (swap, "Swap", usage.swap)] {
        gauge(frame, area, title, share(used, all), format!("{} of {}", bytes(used), bytes(all)));
    }
}

fn gauge(frame: &mut Frame<'_>, area: Rect, title: &'static str, ratio: f64, label: String) {
    let color = match ratio {
        ratio if ratio >= 0.9 => Color::Red,
        ratio if ratio >= 0.7 => Color::Yellow,
        _ => Color::Green,
    };
    let gauge = Gauge::default().block(Block::bordered().title(title)).gauge_style(Style::new().fg(color));
    frame.render_widget(gauge.ratio(ratio).label(label), area);
}

fn draw_devices(frame: &mut Frame<'_>, area: Rect, usage: &Usage) {
    let [disks, networks, mounts] = Layout::horizontal([Constraint::Ratio(1, 3); 3]).areas(area);
    let rate = |value: f64| format!("{}/s", bytes(value));
    let rows = usage
        .disks
        .iter()
        .map(|(name, [read, written, busy])| [name.clone(), rate(*read), rate(*written), percent(*busy)]);
    let widths = [Constraint::Min(6), Constraint::Length(11), Constraint::Length(11), Constraint::Length(5)];
    table(frame, disks, "Disks", ["device", "read", "written", "busy"], rows, widths);
    let rows =
        usage.networks.iter().map(|(name, [received, sent])| [name.clone(), rate(*received), rate(*sent)]);
    let widths = [Constraint::Min(6), Constraint::Length(11), Constraint::Length(11)];
    table(frame, networks, "Network", ["device", "received", "sent"], rows, widths);
    let rows = usage
        .mounts
        .iter()
        .map(|(name, [used, all])| [name.clone(), bytes(*all), percent(share(*used, *all))]);
    let widths = [Constraint::Min(8), Constraint::Length(10), Constraint::Length(5)];
    table(frame, mounts, "Mounts", ["mount", "size", "used"], rows, widths);
}

fn table<const N: usize>(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &'static str,
    header: [&'static str; N],
    rows: impl Iterator<Item = [String; N]>,
    widths: [Constraint; N],
) {
    let table = Table::new(rows.map(Row::new), widths).header(Row::new(header).bold());
    frame.render_widget(table.block(Block::bordered().title(title)), area);
}

fn share(part: f64, all: f64) -> f64 {
    if all > 0.0 { (part / all).clamp(0.0, 1.0) } else { 0.0 }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// `1.5 GiB`
fn bytes(value: f64) -> String {
    let (mut value, mut units) = (value.max(0.0), ["B", "KiB", "MiB", "GiB", "TiB"].into_iter());
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    let digits = usize::from(unit != "B" && value < 100.0);
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_fits() {
        assert_eq!(
            [bytes(0.0), bytes(1536.0), bytes(500.0 * 1024.0 * 1024.0)],
            ["0 B", "1.5 KiB", "500 MiB"]
        );
    }

    #[test]
    fn a_page_shows_host_and_containers() {
        let usage = Usage {
            name: "host1".to_owned(),
            cpu: [0.5, 0.1],
            containers: vec![("shop/web/app".to_owned(), [0.25, 1048576.0])],
            ..Usage::default()
        };
        let page = crate::top::page(&usage).unwrap();
        assert!(page.contains("host1") && page.contains("50 % busy, 10 % waiting"), "{page}");
        assert!(page.contains("shop/web/app") && page.contains("0.25") && page.contains("1.0 MiB"), "{page}");
    }
}
