//! `gustnado`: sends to the connections of a cluster of nodes, closes them, and lists them, from a command line.

use std::{collections::BTreeSet, error::Error, process::ExitCode, sync::Arc, time::Duration};

use clap::{Args, Parser, Subcommand};
use gustnado::{
    CloseFrame, Hub, Publisher, Target,
    adapter::{Adapter, Nats, Redis},
};

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
    /// Sends text, and waits until the engine has it; in no log, also in a room that keeps history
    Publish {
        #[command(flatten)]
        whom: Whom,
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
    /// Says who comes to a room and who leaves it, asked every second
    Watch { room: String },
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
            ExitCode::FAILURE
        }
    }
}

async fn done(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let publisher = Publisher::connect(adapter(&cli.url, &cli.prefix)?).await?;
    let done = run(&cli.command, publisher.hub()).await;
    publisher.stop().await;
    done
}

async fn run(command: &Command, hub: &Hub) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Publish { whom, text } => {
            whom.of(hub)?.publish(text.as_str()).await?;
            println!("handed over");
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
        Command::Watch { room } => watch(hub, room).await,
    }
    Ok(())
}

/// Ids and users.
async fn members(hub: &Hub, room: &str) -> BTreeSet<String> {
    let members = hub.everywhere().members(room).await.value.into_iter();
    members.map(|member| format!("{}\t{}", member.id, member.user.unwrap_or_default())).collect()
}

async fn watch(hub: &Hub, room: &str) {
    let mut before = BTreeSet::new();
    loop {
        let now = members(hub, room).await;
        now.difference(&before).for_each(|one| println!("+ {one}"));
        before.difference(&now).for_each(|one| println!("- {one}"));
        before = now;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
