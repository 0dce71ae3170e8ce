//! `gustnado`: sends to the connections of a cluster of nodes, closes them, and lists them, from a command line.

mod history;
mod watch;

use std::{collections::BTreeSet, error::Error, process::ExitCode, sync::Arc};

use clap::{Args, Parser, Subcommand};
use gustnado::{
    CloseFrame, Hub, PublishError, Publisher, Target,
    adapter::{Adapter, Nats, Redis, Retention},
};

/// Of what may have happened, and may be repeated with the same key: `EX_TEMPFAIL` of `sysexits.h`.
const UNKNOWN: u8 = 75;

/// Sends to the connections of a cluster of nodes, closes them, and lists them.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The engine between the nodes: redis://, rediss://, redis+sentinel://, redis+cluster://, nats:// or tls://
    #[arg(long, env = "GUSTNADO_URL", hide_env_values = true, default_value = "redis://localhost")]
    url: String,
    /// What the names of all keys and subjects begin with, as the nodes are told
    #[arg(long, default_value = "gustnado")]
    prefix: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends text, and waits until the engine has it. In a room that keeps history it goes to the log, and its position
    /// is printed. Exits with 1 if nobody will see it, and with 75 if that is not known
    Publish {
        #[command(flatten)]
        whom: Whom,
        /// In the log of a room: the same key within five minutes makes one message
        #[arg(long)]
        key: Option<String>,
        /// How much the room keeps, as last=1000,for=5m: for when no node is there to say it
        #[arg(long, value_parser = history::retention)]
        history: Option<Retention>,
        text: String,
    },
    /// Sends text, and waits for nothing
    Send {
        #[command(flatten)]
        whom: Whom,
        text: String,
    },
    /// Closes connections
    Kick {
        #[command(flatten)]
        whom: Whom,
        #[arg(long, default_value_t = 4000)]
        code: u16,
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Says how many there are, which rooms, or who is in a room
    List { room: Option<String> },
    /// Prints what happens on all nodes as it happens: node, what, connection, user, and more, parted by tabs
    Watch(watch::Watch),
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Whom {
    #[arg(long)]
    room: Option<String>,
    #[arg(long)]
    user: Option<String>,
    /// A connection, by its id
    #[arg(long)]
    conn: Option<String>,
    #[arg(long)]
    everybody: bool,
}

impl Whom {
    fn of(&self, hub: &Hub) -> Result<Target, Box<dyn Error>> {
        Ok(match (&self.room, &self.user, &self.conn) {
            (Some(room), ..) => hub.room(room),
            (_, Some(user), _) => hub.user(user),
            (.., Some(conn)) => hub.conn(conn.parse::<gustnado::ConnId>()?),
            _ => hub.everybody(),
        })
    }
}

fn adapter(url: &str, prefix: &str) -> Result<Arc<dyn Adapter>, Box<dyn Error>> {
    Ok(if url.starts_with("redis") {
        Arc::new(Redis::new(url)?.key_prefix(prefix))
    } else {
        Arc::new(Nats::new(url)?.subject_prefix(prefix))
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    match done(&Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gustnado: {error}");
            match error.downcast_ref() {
                Some(PublishError::Unknown | PublishError::Unconfirmed) => UNKNOWN.into(),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

async fn done(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let rules = match &cli.command {
        Command::Publish { history: Some(kept), .. } => Hub::builder().history("*", *kept),
        _ => Hub::builder(),
    };
    let publisher = Publisher::connect_as(rules, adapter(&cli.url, &cli.prefix)?).await?;
    let done = run(&cli.command, publisher.hub()).await;
    publisher.stop().await;
    done
}

async fn run(command: &Command, hub: &Hub) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Publish { whom, key, history, text } => {
            if whom.room.is_some() && history.is_none() && hub.nodes().is_empty() {
                return Err("no node is there to say whether the room keeps history: say --history".into());
            }
            let mut target = whom.of(hub)?;
            if let Some(key) = key {
                target = target.key(key);
            }
            match target.publish(text.as_str()).await?.position {
                Some(position) => println!("accepted\t{}\t{}", position.epoch, position.offset),
                None => println!("handed over"),
            }
        }
        Command::Send { whom, text } => {
            let report = whom.of(hub)?.send(text.as_str()).await;
            println!("{:?}", report.remote);
        }
        Command::Kick { whom, code, reason } => {
            let frame = CloseFrame::new(*code, reason.as_str())?;
            println!("{:?}", whom.of(hub)?.close(frame).await.remote);
        }
        Command::List { room: Some(room) } => {
            members(hub, room).await.iter().for_each(|one| println!("{one}"));
        }
        Command::List { room: None } => {
            let counts = hub.everywhere().counts().await.value;
            println!("{} connections, {} users", counts.connections, counts.users);
            for (room, members) in hub.everywhere().rooms().await.value {
                println!("{members}\t{room}");
            }
        }
        Command::Watch(watch) => watch.run(hub).await?,
    }
    Ok(())
}

/// Ids and users.
async fn members(hub: &Hub, room: &str) -> BTreeSet<String> {
    let members = hub.everywhere().members(room).await.value.into_iter();
    members.map(|member| format!("{}\t{}", member.id, member.user.unwrap_or_default())).collect()
}
