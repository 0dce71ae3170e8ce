//! Counts what a message and a connection cost gustnado in user space, and fails where a budget is exceeded.
//!
//! `scripts/budgets`, or `cargo run --release --manifest-path benches/Cargo.toml --bin budgets`
//!
//! Instructions are counted by callgrind, allocations and bytes by a counting allocator; no clock, no network and no
//! second thread is part of it. Everything is done N and 2 N times, and the difference is what N cost: so start and
//! end of the process count for nothing.

mod table;
mod transport;
mod work;

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::table::{BUDGETS, Budget, Unit};
use crate::work::Work;

fn main() -> Result<()> {
    if cfg!(debug_assertions) {
        bail!("budgets are those of optimised code: run with --release");
    }
    // The process that callgrind watches: which budget's work, and how often.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [budget, count] = arguments.as_slice() {
        let budget = BUDGETS.get(budget.parse::<usize>()?).context("no such budget")?;
        budget.work.run(count.parse()?)?;
        return Ok(());
    }
    println!("| work | each costs | now | budget | |\n|---|---|---|---|---|");
    let mut exceeded = 0;
    for (index, budget) in BUDGETS.iter().enumerate() {
        let now = measure(index, budget).with_context(|| format!("{:?}", budget.work))?;
        let verdict = match now {
            now if now > budget.limit() + 0.005 => {
                exceeded += 1;
                "EXCEEDED"
            }
            now if now < budget.recorded * 0.9 => "cheaper: record it",
            _ => "",
        };
        println!("| {:?} | {:?} | {now:.2} | {:.2} | {verdict} |", budget.work, budget.unit, budget.limit());
    }
    ensure!(exceeded == 0, "{exceeded} budgets are exceeded; benches/src/budgets/table.rs has their reasons");
    Ok(())
}

/// What one costs.
fn measure(index: usize, budget: &Budget) -> Result<f64> {
    const COUNT: usize = 2_048;
    let cost = |count| match budget.unit {
        Unit::Instructions => instructions(index, count),
        Unit::Allocations | Unit::Bytes => allocated(budget.work, budget.unit, count),
    };
    Ok((cost(2 * COUNT)? - cost(COUNT)?) / COUNT as f64)
}

/// Calls of the allocator for so much work, or what it holds afterwards.
fn allocated(work: Work, unit: Unit, count: usize) -> Result<f64> {
    let mut done = None;
    // What is kept is dropped outside: it is what is counted.
    let counted = allocation_counter::measure(|| done = Some(work.run(count)));
    let (done, _kept) = done.context("measuring has run it")??;
    ensure!(done == count, "{done} times, not {count}");
    Ok(match unit {
        Unit::Bytes => counted.bytes_current as f64,
        _ => counted.count_total as f64,
    })
}

/// Instructions of this program for so much work.
fn instructions(index: usize, count: usize) -> Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([index.to_string(), count.to_string()])
        .output()
        .context("valgrind does not start: install the Debian package valgrind, or run scripts/install")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "callgrind failed:\n{text}");
    let collected = text.lines().find_map(|line| line.split_once("Collected :")).context("no count")?.1;
    Ok(collected.trim().parse()?)
}
