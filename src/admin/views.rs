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
    hub::{ConnInfo, FanOut, Gathered, Hub, Listing, Page, RoomInfo, Sizes},
    stats::Traffic,
};

/// `None` if there is no such connection, room or user. Other nodes are asked for what is not the overview's.
pub(super) async fn show(hub: &Hub, view: &View, parts: &Parts) -> Option<Value> {
    let list = List::of(parts);
    Some(match view {
        View::Overview => overview(hub),
        View::Connections => connections(hub, &list, list.listing()).await,
        View::Connection(id) => {
            let id = id.parse().ok()?;
            let mut value = connection(&hub.everywhere().connection(id).await.value?);
            value["headers"] = hub.connection(id).map_or(json!([]), |conn| headers(&conn));
            value
        }
        View::Rooms => rooms(hub, &list).await,
        View::Room(name) => {
            let room = Some(name.clone());
            let sizes =
                hub.everywhere().list(Listing { room: room.clone(), ..Listing::default() }).await.value.0;
            if members(&sizes) == 0 {
                return None;
            }
            let mut value = room_value(name, &sizes, hub.room_info(name).as_ref());
            value["present"] = present(hub, name);
            value["connections"] = connections(hub, &list, Listing { room, ..list.listing() }).await;
            value
        }
        View::Users => users(hub, &list).await,
        View::User(name) => {
            let listing = Listing { user: Some(name.clone()), ..list.listing() };
            let connections = connections(hub, &list, listing).await;
            if connections["total"] == 0 && list.search.is_empty() {
                return None;
            }
            json!({ "name": name, "connections": connections })
        }
        View::Nodes => nodes(hub).await,
    })
}

/// The figures that move.
pub(super) fn overview(hub: &Hub) -> Value {
    let stats = hub.stats();
    json!({
        "time": millis(SystemTime::now()),
        "node": hub.node().to_string(),
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

/// The nodes that are known, what those have that answered, and this one's adapter.
async fn nodes(hub: &Hub) -> Value {
    let Gathered { value, missing, .. } = hub.everywhere().counts_by_node().await;
    let silent = missing.into_iter().map(|node| (node, None));
    let mut nodes: Vec<_> =
        value.into_iter().map(|(node, counts)| (node, Some(counts))).chain(silent).collect();
    nodes.sort_by_key(|(node, _)| (*node != hub.node(), *node));
    let nodes = nodes.into_iter().map(|(node, counts)| {
        json!({
            "id": node.to_string(),
            "this": node == hub.node(),
            "connections": counts.map(|it| it.connections),
            "rooms": counts.map(|it| it.rooms),
            "users": counts.map(|it| it.users),
        })
    });
    let adapter = hub.stats().cluster.map(|cluster| {
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
    json!({ "nodes": nodes.collect::<Vec<_>>(), "adapter": adapter })
}

async fn connections(hub: &Hub, list: &List<'_>, listing: Listing) -> Value {
    let found = hub.everywhere().list(listing).await;
    let (sizes, infos) = &found.value;
    list.page(members(sizes), infos, connection, &found)
}

fn connection(info: &ConnInfo) -> Value {
    json!({
        "id": info.id.to_string(),
        "node": info.id.node().to_string(),
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

async fn rooms(hub: &Hub, list: &List<'_>) -> Value {
    let found = hub.everywhere().rooms_by_node(&list.search).await;
    let mut rooms: Vec<_> =
        found.value.iter().map(|(name, sizes)| (name, sizes, hub.room_info(name))).collect();
    list.sort(&mut rooms, |(a, a_sizes, a_info), (b, b_sizes, b_info)| {
        let messages = |info: &Option<RoomInfo>| info.as_ref().map(|it| it.fan_out.messages);
        let by_key = match &*list.sort {
            "members" => members(a_sizes).cmp(&members(b_sizes)),
            "since" => a_info.as_ref().map(|it| it.since).cmp(&b_info.as_ref().map(|it| it.since)),
            "messages" => messages(a_info).cmp(&messages(b_info)),
            _ => Ordering::Equal,
        };
        by_key.then_with(|| a.cmp(b))
    });
    list.page(rooms.len(), &rooms, |(name, sizes, info)| room_value(name, sizes, info.as_ref()), &found)
}

/// A room with its members on all nodes, and what this one has seen of it if it has any.
fn room_value(name: &str, sizes: &Sizes, here: Option<&RoomInfo>) -> Value {
    let position = here.and_then(|room| room.position);
    json!({
        "name": name,
        "members": members(sizes),
        "nodes": by_node(sizes),
        "since": here.map(|room| millis(room.since)),
        "fan_out": here.map(|room| fan_out(&room.fan_out)),
        "position": position.map(|it| json!({ "epoch": it.epoch.to_string(), "offset": it.offset })),
    })
}

fn members(sizes: &Sizes) -> usize {
    sizes.values().sum()
}

fn by_node(sizes: &Sizes) -> Value {
    let there = sizes.iter().filter(|(_, size)| **size > 0);
    there.map(|(node, size)| json!({ "id": node.to_string(), "connections": size })).collect()
}

/// Who is in a room, on every node, with how many connections: the first [`PAGE`]. Nobody, if it has no presence.
fn present(hub: &Hub, room: &str) -> Value {
    let users = hub.presence(room);
    let first = users.iter().take(PAGE);
    let items: Vec<_> =
        first.map(|(user, conns)| json!({ "user": user, "connections": conns.len() })).collect();
    json!({ "total": users.len(), "items": items })
}

async fn users(hub: &Hub, list: &List<'_>) -> Value {
    let found = hub.everywhere().users_by_node(&list.search).await;
    let mut users: Vec<_> = found.value.iter().collect();
    list.sort(&mut users, |(a, a_sizes), (b, b_sizes)| match &*list.sort {
        "connections" => members(a_sizes).cmp(&members(b_sizes)).then_with(|| a.cmp(b)),
        _ => a.cmp(b),
    });
    let show = |(name, sizes): &(&String, &Sizes)| json!({ "name": name, "connections": members(sizes), "nodes": by_node(sizes) });
    list.page(users.len(), &users, show, &found)
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
