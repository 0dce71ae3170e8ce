//! [`Options`]: the command line of a run.

use std::{
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::engine::Kind;

const USAGE: &str = "scripts/faults [--long | --minutes N] [--seed N] [--engine NAME]";

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) engines: Vec<Kind>,
    /// Of the first round; the others follow.
    pub(crate) seed: u64,
    /// For how long things break in a round, and how long it goes on altogether.
    pub(crate) rough: Duration,
    pub(crate) time: Duration,
}

impl Options {
    /// In a short run, which is one round.
    pub(crate) const ROUGH: Duration = Duration::from_secs(60);

    pub(crate) fn from_arguments(arguments: Vec<String>) -> Result<Self, &'static str> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |it| it.as_secs());
        let mut options =
            Self { engines: Kind::ALL.into(), seed: now, rough: Self::ROUGH, time: Duration::ZERO };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(USAGE);
            match &*argument {
                "--long" => options.go_on_for(30),
                "--minutes" => options.go_on_for(number(&value()?)?),
                "--seed" => options.seed = number(&value()?)?,
                "--engine" => {
                    let name = value()?;
                    options.engines.retain(|kind| kind.to_string() == name);
                }
                _ => return Err(USAGE),
            }
        }
        if options.engines.is_empty() { Err(USAGE) } else { Ok(options) }
    }

    fn go_on_for(&mut self, minutes: u64) {
        self.time = Duration::from_secs(60 * minutes);
        self.rough = Self::ROUGH.max(self.time / 8);
    }
}

fn number(text: &str) -> Result<u64, &'static str> {
    u64::from_str(text).map_err(|_| USAGE)
}
