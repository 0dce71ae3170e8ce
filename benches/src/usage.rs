//! Reads what a process costs, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// User and system time of all threads of a process so far.
///
/// The process's CPU clock counts in nanoseconds and includes threads that run at this moment or have ended;
/// `/proc/PID/stat` counts in hundredths of a second, and `/proc/PID/schedstat` is as old as the last timer tick.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))
        .context("the server has no CPU clock any more")?;
    Ok(clock_gettime(clock)?.into())
}

/// The same for the calling thread.
pub fn own_cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Bytes of memory that a process has resident.
///
/// From `smaps_rollup`, which walks the pages; `VmRSS` is a sum of per-thread counters that lag behind.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let kibibytes: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB")?.parse().ok())
        .with_context(|| format!("{path} has no line `Rss:`"))?;
    Ok(kibibytes * 1024)
}

/// Lets this process, and the servers that inherit the limit, open as many descriptors as the system allows.
pub fn raise_descriptor_limit() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// Fails where this process may not have so many connections open.
pub fn ensure_descriptors(connections: usize) -> Result<()> {
    let (limit, needed) = (getrlimit(Resource::RLIMIT_NOFILE)?.0, connections as u64 + 64);
    ensure!(limit >= needed, "{needed} descriptors are needed and {limit} allowed; raise `ulimit -Hn`");
    Ok(())
}
