//! The report of a run, as Markdown: where it was, targets, one table of everybody, then one table per workload.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::machine;
use crate::memory::MemorySample;
use crate::options::Options;
use crate::samples::{Row, Rows, Samples};
use crate::server::{AXUM, RAW_TCP};
use crate::targets;
use crate::workload::{Kind, Workload};

/// The document keeps what stands before the one and after the other.
const BEGIN: &str = "<!-- figures -->\n";
const END: &str = "<!-- end of figures -->";

/// Everything, for a terminal or a file.
pub fn markdown(options: &Options, samples: &Samples) -> String {
    let mut text = title(options);
    _ = write!(text, "\n### Targets\n\n{}", targets::markdown(samples));
    overview(&mut text, options, samples);
    for workload in &options.workloads {
        match workload.kind {
            Kind::Memory => memory_table(&mut text, workload, &samples.memory),
            _ => load_table(&mut text, workload, samples),
        }
    }
    text
}

/// Puts the report between the marks of a document.
///
/// # Errors
///
/// When the document cannot be read or written, or has no marks.
pub fn write(path: &Path, report: &str) -> Result<()> {
    let context = || path.display().to_string();
    let document = fs::read_to_string(path).with_context(context)?;
    let marks = document.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        marks.with_context(|| format!("{BEGIN:?} and {END:?} are not in {}", path.display()))?;
    fs::write(path, format!("{before}{BEGIN}\n{report}\n{END}{after}")).with_context(context)
}

/// Three digits that count.
pub fn figure(value: f64) -> String {
    match value {
        value if value.abs() < 1.0 => format!("{value:.3}"),
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

fn title(options: &Options) -> String {
    let versions: Vec<_> = options.servers.iter().flat_map(|server| machine::versions(server)).collect();
    format!(
        "{}, Linux {}, one core for the server and one for the generator, loopback. Commit {}.\n{}.\n\
         Medians; rounds: {}, of {} s each, in which the servers took turns.\n",
        machine::cpu_model(),
        machine::kernel(),
        machine::commit(),
        versions.join(", "),
        options.rounds,
        options.window.as_secs_f64(),
    )
}

/// CPU per message of every server under every workload.
fn overview(text: &mut String, options: &Options, samples: &Samples) {
    let workloads: Vec<_> =
        options.workloads.iter().filter(|workload| workload.kind != Kind::Memory).collect();
    if workloads.is_empty() {
        return;
    }
    text.push_str("\n### CPU µs per message\n\n| |");
    options.servers.iter().for_each(|server| _ = write!(text, " {} |", server.name));
    _ = writeln!(text, "\n|---|{}", "---|".repeat(options.servers.len()));
    for workload in workloads {
        _ = write!(text, "| `{}` |", workload.name);
        for server in &options.servers {
            let row = samples.load.get(workload.name, server.name);
            let value = row.map(|row| figure(row.median(|sample| sample.cpu_micros)));
            _ = write!(text, " {} |", value.unwrap_or_default());
        }
        text.push('\n');
    }
}

fn load_table(text: &mut String, workload: &Workload, samples: &Samples) {
    _ = writeln!(
        text,
        "\n### `{}`\n\n| server | CPU µs | spread | ÷ raw_tcp | ÷ axum | per CPU second | per second \
         | p50 µs | p99 µs | server's core | generator's core |\n|---|---|---|---|---|---|---|---|---|---|---|",
        workload.name
    );
    for row in samples.load.of(workload.name) {
        let cpu = row.median(|sample| sample.cpu_micros);
        let ratio = |other| {
            let ours = (row.workload, row.server);
            let ratio = samples.load.ratio(ours, (row.workload, other), |sample| sample.cpu_micros);
            ratio.map(figure).unwrap_or_default()
        };
        _ = writeln!(
            text,
            "| {} | {} | {:.0} % | {} | {} | {:.0} | {:.0} | {} | {} | {:.0} % | {:.0} % |",
            row.server,
            figure(cpu),
            row.spread(|sample| sample.cpu_micros) * 100.0,
            ratio(RAW_TCP),
            ratio(AXUM),
            1e6 / cpu,
            row.median(|sample| sample.per_second),
            figure(row.median(|sample| sample.p50_micros)),
            figure(row.median(|sample| sample.p99_micros)),
            row.median(|sample| sample.server_share) * 100.0,
            row.median(|sample| sample.generator_share) * 100.0,
        );
    }
}

fn memory_table(text: &mut String, workload: &Workload, rows: &Rows<MemorySample>) {
    _ = writeln!(
        text,
        "\n### `{}`\n\n| {} connections | idle B each | after an echo of 1 KiB | after closing \
         | CPU µs to open and close one |\n|---|---|---|---|---|",
        workload.name, workload.connections
    );
    rows.of(workload.name).for_each(|row| memory_row(text, row));
}

fn memory_row(text: &mut String, row: &Row<MemorySample>) {
    _ = writeln!(
        text,
        "| {} | {:.0} | {:.0} | {:.0} | {} |",
        row.server,
        row.median(|sample| sample.idle),
        row.median(|sample| sample.after_echo),
        row.median(|sample| sample.after_close),
        figure(row.median(|sample| sample.open_close_micros)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_three_digits_that_count() {
        assert_eq!([0.0814, 5.123, 20.66, 346.4].map(figure), ["0.081", "5.12", "20.7", "346"]);
    }
}
