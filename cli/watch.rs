//! `gustnado watch`: a tap of all nodes, line by line.

use std::{
    error::Error,
    io::{self, Write},
};

use clap::Args;
use gustnado::{ConnId, Event, EventKind, Hub, Preview, TapFilter, adapter::NodeId};

#[derive(Args)]
pub(crate) struct Watch {
    /// Only what concerns this room
    room: Option<String>,
    /// Only what concerns this user
    #[arg(long)]
    user: Option<String>,
    /// Only what concerns this connection
    #[arg(long)]
    conn: Option<ConnId>,
    /// Only messages whose beginning contains this
    #[arg(long)]
    contains: Option<String>,
    /// How many bytes of each message are shown, up to 4096; 0 for none
    #[arg(long, default_value_t = 80)]
    preview: usize,
}

impl Watch {
    pub(crate) async fn run(&self, hub: &Hub) -> Result<(), Box<dyn Error>> {
        let mut tap = hub.everywhere().tap(self.filter());
        let mut missed = 0;
        while let Some((node, event)) = tap.next().await {
            let mut out = io::stdout().lock();
            if tap.missed() > missed {
                missed = tap.missed();
                writeln!(io::stderr(), "gustnado: {missed} missed so far")?;
            }
            writeln!(out, "{}", line(node, &event))?;
        }
        Ok(())
    }

    fn filter(&self) -> TapFilter {
        let mut filter = TapFilter::default().preview(self.preview);
        if let Some(room) = &self.room {
            filter = filter.room(room);
        }
        if let Some(user) = &self.user {
            filter = filter.user(user);
        }
        if let Some(conn) = self.conn {
            filter = filter.conn(conn);
        }
        if let Some(part) = &self.contains {
            filter = filter.contains(part);
        }
        filter
    }
}

/// What others chose (names, reasons, messages) is escaped: a terminal shows it, and does nothing.
fn line(node: NodeId, Event { conn, user, kind, .. }: &Event) -> String {
    let (what, more) = match kind {
        EventKind::Opened => ("opened", String::new()),
        EventKind::Closed { code, reason, cause } => {
            let cause = cause.as_ref().map(|cause| format!("\t{cause:?}")).unwrap_or_default();
            ("closed", format!("{code}\t{reason:?}{cause}"))
        }
        EventKind::Joined { room, .. } => ("joined", format!("{room:?}")),
        EventKind::Left { room, .. } => ("left", format!("{room:?}")),
        EventKind::Received(message) => ("received", preview(message)),
        EventKind::Sent(message) => ("sent", preview(message)),
        EventKind::Broadcast { rooms, preview: message, report } => {
            let to = if rooms.is_empty() { String::new() } else { format!("{rooms:?}\t") };
            ("broadcast", format!("{to}{}\tto {} here", preview(message), report.queued))
        }
        EventKind::Presence { room, online: true, .. } => ("online", format!("{room:?}")),
        EventKind::Presence { room, online: false, .. } => ("offline", format!("{room:?}")),
        EventKind::Link(link) => ("link", format!("{link:?}")),
        EventKind::NodeCame(other) => ("node came", other.to_string()),
        EventKind::NodeGone(other) => ("node gone", other.to_string()),
        other => ("event", format!("{other:?}")),
    };
    let conn = conn.map_or("-".into(), |conn| conn.to_string());
    let user = user.as_ref().map_or("-".into(), |user| format!("{user:?}"));
    format!("{node}\t{what}\t{conn}\t{user}\t{more}").trim_end().to_owned()
}

fn preview(message: &Preview) -> String {
    format!("{} B\t{:?}", message.len, message.text)
}
