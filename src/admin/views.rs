//! What there is to see, as JSON.

use std::{
    cmp::Ordering,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{
    HeaderValue,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
    request::Parts,
};
use serde_json::{Value, json};

use super::{
    list::{List, PAGE},
    route::View,
};
use crate::{
    conn::Conn,
    hub::{ConnInfo, FanOut, Hub, Page, RoomInfo},
    stats::Traffic,
};

/// `None` if there is no such connection, room or user.
pub(super) fn show(hub: &Hub, view: &View, parts: &Parts) -> Option<Value> {
    let list = List::of(parts);
    Some(match view {
        View::Overview => overview(hub),
        View::Connections => connections(&hub.connections(Page::ALL), &list),
        View::Connection(id) => {
            let conn = find(hub, id)?;
            let mut value = connection(&conn.info());
            value["headers"] = headers(&conn);
            value
        }
        View::Rooms => rooms(hub, &list),
        View::Room(name) => {
            let room = hub.room_list(Page::ALL).into_iter().find(|room| room.name == *name)?;
            let mut value = room_value(&room);
            value["present"] = present(hub, name);
            value["connections"] = connections(&hub.members(name, Page::ALL), &list);
            value
        }
        View::Users => users(hub, &list),
        View::User(name) => {
            let conns = hub.connections_of(name, Page::ALL);
            if conns.is_empty() {
                return None;
            }
            json!({ "name": name, "connections": connections(&conns, &list) })
        }
        View::Nodes => nodes(hub),
    })
}

/// The figures that move.
pub(super) fn overview(hub: &Hub) -> Value {
    let stats = hub.stats();
    json!({
        "time": millis(SystemTime::now()),
        "connections": stats.counts.connections,
        "rooms": stats.counts.rooms,
        "users": stats.counts.users,
        "accepted": stats.handlers.accepted,
        "refused": stats.handlers.refused,
        "traffic": traffic(&stats.handlers.traffic),
        "fan_out": fan_out(&stats.fan_out),
        "buffered": stats.buffered,
        "round_trip_ms": round_trip(stats.round_trip),
        "round_trips": round_trips(hub),
        "closes": hub.closes(),
    })
}

/// How many connections have had a last round trip of at most so many milliseconds, and of more than the bound before.
fn round_trips(hub: &Hub) -> Value {
    const BOUNDS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
    let mut counts = [0_u64; BOUNDS.len() + 1];
    for time in hub.connections(Page::ALL).iter().filter_map(Conn::round_trip) {
        let bucket = BOUNDS.iter().position(|bound| time <= Duration::from_millis(*bound));
        counts[bucket.unwrap_or(BOUNDS.len())] += 1;
    }
    let bounds = BOUNDS.into_iter().map(Some).chain([None]);
    bounds.zip(counts).map(|(bound, count)| json!({ "up_to_ms": bound, "connections": count })).collect()
}

/// The nodes that are known, and the adapter between them.
fn nodes(hub: &Hub) -> Value {
    let stats = hub.stats();
    let (here, counts) = (hub.node(), stats.counts);
    let this = json!({
        "id": here.to_string(),
        "this": true,
        "connections": counts.connections,
        "rooms": counts.rooms,
    });
    let others = hub.nodes().into_iter().map(|node| json!({ "id": node.to_string(), "this": false }));
    let adapter = stats.cluster.map(|cluster| {
        json!({
            "link": format!("{:?}", cluster.link).to_lowercase(),
            "published": cluster.adapter.published,
            "lost": cluster.adapter.lost,
            "refused": cluster.adapter.refused,
            "received": cluster.adapter.received,
            "queued_bytes": cluster.adapter.queued_bytes,
            "reconnects": cluster.adapter.reconnects,
        })
    });
    json!({ "nodes": std::iter::once(this).chain(others).collect::<Vec<_>>(), "adapter": adapter })
}

/// A connection of this node by the text of its id.
fn find(hub: &Hub, id: &str) -> Option<Conn> {
    hub.connection(id.parse().ok()?)
}

fn connections(conns: &[Conn], list: &List<'_>) -> Value {
    let infos = conns.iter().map(Conn::info).filter(|info| {
        list.search.is_empty()
            || list.wants(&info.id.to_string())
            || info.user.as_deref().is_some_and(|user| list.wants(user))
            || info.peer.is_some_and(|peer| list.wants(&peer.to_string()))
            || list.wants(&info.path)
            || info.rooms.iter().any(|room| list.wants(room))
    });
    let compare = |a: &ConnInfo, b: &ConnInfo| {
        let by_key = match &*list.sort {
            "user" => a.user.cmp(&b.user),
            "peer" => a.peer.cmp(&b.peer),
            "path" => a.path.cmp(&b.path),
            "since" => a.since.cmp(&b.since),
            "received" => a.traffic.messages_received.cmp(&b.traffic.messages_received),
            "sent" => a.traffic.messages_sent.cmp(&b.traffic.messages_sent),
            "buffered" => a.buffered.cmp(&b.buffered),
            "round_trip" => a.round_trip.cmp(&b.round_trip),
            _ => Ordering::Equal,
        };
        by_key.then_with(|| a.id.cmp(&b.id))
    };
    list.page(infos.collect(), compare, connection)
}

fn connection(info: &ConnInfo) -> Value {
    json!({
        "id": info.id.to_string(),
        "endpoint": info.endpoint,
        "user": info.user,
        "peer": info.peer.map(|peer| peer.to_string()),
        "path": info.path,
        "protocol": info.protocol,
        "rooms": info.rooms,
        "since": millis(info.since),
        "traffic": traffic(&info.traffic),
        "buffered": info.buffered,
        "round_trip_ms": round_trip(info.round_trip),
        "metadata": info.metadata,
    })
}

/// The headers of its request that the handler keeps, but for credentials.
fn headers(conn: &Conn) -> Value {
    let shown = conn.request().headers().filter(|(name, value)| {
        !value.is_sensitive() && ![AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)
    });
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    shown.map(|(name, value)| json!({ "name": name.as_str(), "value": text(value) })).collect()
}

fn rooms(hub: &Hub, list: &List<'_>) -> Value {
    let rooms = hub.room_list(Page::ALL).into_iter().filter(|room| list.wants(&room.name));
    let compare = |a: &RoomInfo, b: &RoomInfo| match &*list.sort {
        "members" => a.members.cmp(&b.members),
        "since" => a.since.cmp(&b.since),
        "messages" => a.fan_out.messages.cmp(&b.fan_out.messages),
        _ => a.name.cmp(&b.name),
    };
    list.page(rooms.collect(), compare, room_value)
}

fn room_value(room: &RoomInfo) -> Value {
    json!({
        "name": room.name,
        "members": room.members,
        "since": millis(room.since),
        "fan_out": fan_out(&room.fan_out),
        "position": room.position.map(|it| json!({ "epoch": it.epoch.to_string(), "offset": it.offset })),
    })
}

/// Who is in a room, on every node, with how many connections: the first [`PAGE`]. Nobody, if it has no presence.
fn present(hub: &Hub, room: &str) -> Value {
    let users = hub.presence(room);
    let first = users.iter().take(PAGE);
    let items: Vec<_> =
        first.map(|(user, conns)| json!({ "user": user, "connections": conns.len() })).collect();
    json!({ "total": users.len(), "items": items })
}

fn users(hub: &Hub, list: &List<'_>) -> Value {
    let users = hub.users(Page::ALL).into_iter().filter(|user| list.wants(user));
    let count = |user: &String| hub.connections_of(user, Page::ALL).len();
    let users: Vec<_> = users.map(|user| (count(&user), user)).collect();
    let compare = |a: &(usize, String), b: &(usize, String)| match &*list.sort {
        "connections" => a.cmp(b),
        _ => a.1.cmp(&b.1),
    };
    list.page(users, compare, |(connections, name)| json!({ "name": name, "connections": connections }))
}

fn traffic(traffic: &Traffic) -> Value {
    json!({
        "messages_received": traffic.messages_received,
        "bytes_received": traffic.bytes_received,
        "messages_sent": traffic.messages_sent,
        "bytes_sent": traffic.bytes_sent,
        "dropped": {
            "newest": traffic.dropped_newest,
            "oldest": traffic.dropped_oldest,
            "unsent": traffic.unsent,
            "ignored": traffic.ignored,
            "rate_limited": traffic.rate_limited,
        },
    })
}

fn fan_out(fan_out: &FanOut) -> Value {
    json!({
        "messages": fan_out.messages,
        "bytes": fan_out.bytes,
        "deliveries": fan_out.deliveries,
        "dropped": {
            "full": fan_out.full,
            "disconnected": fan_out.disconnected,
            "too_large": fan_out.too_large,
            "closing": fan_out.closing,
        },
    })
}

fn round_trip(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64() * 1000.0)
}

/// Milliseconds since 1970.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
