//! A node as a process of its own, which serves what clients of a run connect to until it is killed or asked to end.

use std::{error::Error, fs::File, path::PathBuf, sync::Mutex, time::Duration};

use gustnado::{Shutdown, adapter::Retention, serve};
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    checker::workload,
    engine::Kind,
    faulty::{Bug, Faulty},
};

/// What a node is told by its command line, in JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) port: u16,
    pub(crate) engine: Kind,
    pub(crate) url: String,
    pub(crate) kept: usize,
    pub(crate) recover_max: usize,
    pub(crate) bug: Bug,
    /// Where its log goes.
    pub(crate) log: PathBuf,
}

impl Settings {
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        vec!["node".into(), serde_json::to_string(self).expect("plain values")]
    }
}

pub(crate) fn main(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [settings] = arguments else { return Err("a node has one argument".into()) };
    let Settings { port, engine, url, kept, recover_max, bug, log } = serde_json::from_str(settings)?;
    let log = File::options().create(true).append(true).open(log)?;
    tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(log)).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let hub = workload::hub(Faulty::new(engine.adapter(&url)?, bug), Retention::last(kept), recover_max);
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let mut terminated = signal(SignalKind::terminate())?;
        let asked = async move { terminated.recv().await.unwrap_or_default() };
        let plan = Shutdown::default().deadline(Duration::from_secs(1));
        serve(listener, workload::handler(&hub)).hub(&hub).shutdown_on(asked, plan).await;
        Ok(())
    })
}
