//! Gives the server one core and the generator another, so that neither takes time from the other.

use anyhow::{Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The two cores of a run.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// Where every server runs.
    pub server: usize,
    /// Where the driver runs, and with it the generator.
    pub generator: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    pub fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(THIS_THREAD)?;
        let mut cores = (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false));
        match (cores.next(), cores.next()) {
            (Some(server), Some(generator)) => Ok(Self { server, generator }),
            _ => bail!("two cores are needed, one for the server and one for the generator"),
        }
    }

    /// Moves the calling thread to the generator's core.
    pub fn pin_generator(&self) -> Result<()> {
        pin(self.generator)
    }

    /// Calls `start` from the server's core and comes back.
    ///
    /// A child inherits its parent's core, so a process started by `start` has been on the server's core from its
    /// first instruction, and so have all its threads.
    pub fn on_server_core<T>(&self, start: impl FnOnce() -> T) -> Result<T> {
        pin(self.server)?;
        let started = start();
        pin(self.generator)?;
        Ok(started)
    }
}

const THIS_THREAD: Pid = Pid::from_raw(0);

fn pin(core: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(core)?;
    Ok(sched_setaffinity(THIS_THREAD, &only)?)
}
