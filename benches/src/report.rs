//! Medians over the rounds, as Markdown.

use std::fmt::Write;

use crate::machine;
use crate::measure::{EchoSample, FanoutSample};
use crate::memory::MemorySample;
use crate::options::Options;
use crate::server::{AXUM, RAW_TCP, Server};
use crate::workload::{Echo, Fanout};

/// All samples of a run, in the order of the rounds.
#[derive(Debug)]
pub struct Report {
    title: String,
    echoes: Vec<Samples<EchoSample>>,
    fanouts: Vec<Samples<FanoutSample>>,
    memory: Vec<Samples<MemorySample>>,
    idle_connections: usize,
}

/// The samples of one line of the report.
#[derive(Debug)]
struct Samples<T> {
    workload: &'static str,
    server: &'static str,
    samples: Vec<T>,
}

impl Report {
    /// Without samples yet.
    pub fn new(options: &Options) -> Self {
        let mut versions: Vec<_> =
            options.servers.iter().flat_map(|server| machine::versions(server)).collect();
        versions.push(format!("commit {}", machine::commit()));
        let title = format!(
            "{}, Linux {}, one core for the server and one for the generator, loopback.\n{}.\n\
             Medians; rounds: {}, of {} s each, in which the servers took turns.\n",
            machine::cpu_model(),
            machine::kernel(),
            versions.join(", "),
            options.rounds,
            options.window.as_secs_f64(),
        );
        let (echoes, fanouts, memory) = Default::default();
        Self { title, echoes, fanouts, memory, idle_connections: options.idle_connections }
    }

    /// One sample more of an echo workload.
    pub fn add_echo(&mut self, echo: &Echo, server: &Server, sample: EchoSample) {
        add(&mut self.echoes, echo.name, server.name, sample);
    }

    /// One sample more of a fan-out workload.
    pub fn add_fanout(&mut self, fanout: &Fanout, server: &Server, sample: FanoutSample) {
        add(&mut self.fanouts, fanout.name, server.name, sample);
    }

    /// One sample more of the memory workload.
    pub fn add_memory(&mut self, server: &Server, sample: MemorySample) {
        add(&mut self.memory, crate::workload::MEMORY, server.name, sample);
    }

    /// Everything, for a terminal or a file.
    pub fn markdown(&self) -> String {
        let mut text = self.title.clone();
        if !self.echoes.is_empty() {
            text.push_str(
                "\n| echo | server | CPU µs per message | spread | ÷ raw_tcp | ÷ axum | messages per CPU second \
                 | messages per second | p50 µs | p99 µs | server's core | generator's core |\n\
                 |---|---|---|---|---|---|---|---|---|---|---|---|\n",
            );
        }
        self.echoes.iter().for_each(|row| self.echo_row(&mut text, row));
        if !self.fanouts.is_empty() {
            text.push_str(
                "\n| fan-out | server | CPU µs per delivery | spread | ÷ axum | deliveries per CPU second \
                 | deliveries per second | µs until everybody has it | server's core | generator's core |\n\
                 |---|---|---|---|---|---|---|---|---|---|\n",
            );
        }
        self.fanouts.iter().for_each(|row| self.fanout_row(&mut text, row));
        if !self.memory.is_empty() {
            let connections = self.idle_connections;
            _ = writeln!(
                text,
                "\n| {connections} connections | idle B each | after an echo of 1 KiB | after closing \
                 | CPU µs to open and close one |\n|---|---|---|---|---|",
            );
        }
        self.memory.iter().for_each(|row| memory_row(&mut text, row));
        text
    }

    fn echo_row(&self, text: &mut String, row: &Samples<EchoSample>) {
        let cpu = row.median(|sample| sample.cpu_micros);
        let optional = |value: fn(&EchoSample) -> Option<f64>| {
            // A workload has latencies in every sample or in none.
            row.samples
                .first()
                .and_then(value)
                .map(|_| row.median(|sample| value(sample).unwrap_or(f64::NAN)))
        };
        _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} % | {} | {} | {:.0} | {:.0} | {} | {} | {:.0} % | {:.0} % |",
            row.workload,
            row.server,
            figure(Some(cpu)),
            row.spread(|sample| sample.cpu_micros) * 100.0,
            figure(ratio(&self.echoes, row, RAW_TCP, |sample| sample.cpu_micros)),
            figure(ratio(&self.echoes, row, AXUM, |sample| sample.cpu_micros)),
            1e6 / cpu,
            row.median(|sample| sample.per_second),
            figure(optional(|sample| sample.p50_micros)),
            figure(optional(|sample| sample.p99_micros)),
            row.median(|sample| sample.server_share) * 100.0,
            row.median(|sample| sample.generator_share) * 100.0,
        );
    }

    fn fanout_row(&self, text: &mut String, row: &Samples<FanoutSample>) {
        let cpu = row.median(|sample| sample.cpu_micros);
        _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} % | {} | {:.0} | {:.0} | {:.0} | {:.0} % | {:.0} % |",
            row.workload,
            row.server,
            figure(Some(cpu)),
            row.spread(|sample| sample.cpu_micros) * 100.0,
            figure(ratio(&self.fanouts, row, AXUM, |sample| sample.cpu_micros)),
            1e6 / cpu,
            row.median(|sample| sample.per_second),
            row.median(|sample| sample.everybody_micros),
            row.median(|sample| sample.server_share) * 100.0,
            row.median(|sample| sample.generator_share) * 100.0,
        );
    }
}

/// The median over the rounds of a value as a multiple of another server's in the same round.
///
/// Round by round, for what else happens on the machine changes from round to round and hits both.
fn ratio<T>(rows: &[Samples<T>], row: &Samples<T>, other: &str, value: fn(&T) -> f64) -> Option<f64> {
    let other = rows.iter().find(|entry| entry.workload == row.workload && entry.server == other)?;
    let pairs = row.samples.iter().zip(&other.samples);
    Some(median(pairs.map(|(ours, theirs)| value(ours) / value(theirs)).collect()))
}

fn memory_row(text: &mut String, row: &Samples<MemorySample>) {
    _ = writeln!(
        text,
        "| {} | {:.0} | {:.0} | {:.0} | {} |",
        row.server,
        row.median(|sample| sample.idle),
        row.median(|sample| sample.after_echo),
        row.median(|sample| sample.after_close),
        figure(Some(row.median(|sample| sample.open_close_micros))),
    );
}

impl<T> Samples<T> {
    fn values(&self, value: impl Fn(&T) -> f64) -> Vec<f64> {
        self.samples.iter().map(value).collect()
    }

    fn median(&self, value: impl Fn(&T) -> f64) -> f64 {
        median(self.values(value))
    }

    /// From the smallest to the largest, as a part of the median.
    fn spread(&self, value: impl Fn(&T) -> f64) -> f64 {
        let values = self.values(value);
        let (least, most) = values
            .iter()
            .fold((f64::MAX, f64::MIN), |(least, most), &value| (least.min(value), most.max(value)));
        (most - least) / median(values)
    }
}

fn add<T>(rows: &mut Vec<Samples<T>>, workload: &'static str, server: &'static str, sample: T) {
    match rows.iter_mut().find(|row| row.workload == workload && row.server == server) {
        Some(row) => row.samples.push(sample),
        None => rows.push(Samples { workload, server, samples: vec![sample] }),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// Three digits that count; a dash where there is nothing to show.
fn figure(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value < 1.0 => format!("{value:.3}"),
        Some(value) if value < 10.0 => format!("{value:.2}"),
        Some(value) if value < 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(vec![4.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn a_figure_has_three_digits_that_count() {
        let figures = [0.0814, 5.123, 20.66, 346.4].map(|value| figure(Some(value)));
        assert_eq!(figures, ["0.081", "5.12", "20.7", "346"]);
    }
}
