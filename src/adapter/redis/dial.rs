//! Opening a connection, and noticing when it is dead.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisResult, TlsCertificates, Value, aio::MultiplexedConnection,
    io::tcp::TcpSettings,
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::options::{Address, Login, Options};

/// How long opening a connection may take, its greeting included.
pub(super) const OPENING: Duration = Duration::from_millis(800);
/// Together with the time for the answer: less than the second in which a frozen server has to be noticed.
const PING_EVERY: Duration = Duration::from_millis(300);
const PONG_WITHIN: Duration = Duration::from_millis(600);

/// A connection, and what is heard of it.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) connection: MultiplexedConnection,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    /// Counts what the server sent unasked.
    pushes: AtomicU64,
    ended: Notify,
}

/// Opens a connection to a server; `on_push` gets what it sends unasked, in order, and has to return soon.
pub(super) async fn open(
    options: &Options,
    address: &Address,
    on_push: impl Fn(PushInfo) + Send + Sync + 'static,
) -> RedisResult<Line> {
    dial(options, address, &options.login, options.database, on_push).await
}

/// The same to a sentinel, which has its own users and no databases.
pub(super) async fn open_sentinel(options: &Options, address: &Address) -> RedisResult<Line> {
    dial(options, address, &options.sentinel_login, 0, |_| {}).await
}

async fn dial(
    options: &Options,
    address: &Address,
    login: &Login,
    database: i64,
    on_push: impl Fn(PushInfo) + Send + Sync + 'static,
) -> RedisResult<Line> {
    let heard = Arc::new(Heard::default());
    let listener = heard.clone();
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(OPENING))
        .set_response_timeout(None)
        .set_push_sender(move |push: PushInfo| {
            listener.pushes.fetch_add(1, Relaxed);
            if push.kind == PushKind::Disconnection {
                listener.ended.notify_one();
            } else {
                on_push(push);
            }
            Ok::<_, std::convert::Infallible>(())
        });
    let connection = client(options, address, login, database)?
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    Ok(Line { connection, heard })
}

fn client(options: &Options, address: &Address, login: &Login, database: i64) -> RedisResult<Client> {
    let Address { host, port } = address.clone();
    let addr = match options.tls {
        false => ConnectionAddr::Tcp(host, port),
        true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
    };
    // RESP3, for what the server sends unasked.
    let mut greeting = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_db(database);
    if let Some(username) = &login.username {
        greeting = greeting.set_username(username);
    }
    if let Some(password) = &login.password {
        greeting = greeting.set_password(password);
    }
    let info = addr
        .into_connection_info()?
        .set_redis_settings(greeting)
        .set_tcp_settings(TcpSettings::default().set_nodelay(true));
    if !options.tls {
        return Client::open(info);
    }
    // rustls panics if several providers are compiled in and none was chosen.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: options.authority.clone() })
}

impl Line {
    /// Ends when the server is dead: it closed the connection, answered `check` with an error, or is silent. A server
    /// that is silent on one connection is so on the other: `silent` tells it there.
    pub(super) async fn ended(&self, check: &redis::Cmd, is_well: impl Fn(&Value) -> bool, silent: &Notify) {
        let beat = async {
            loop {
                sleep(PING_EVERY).await;
                let mut connection = self.connection.clone();
                let answer = async {
                    let answer = connection.send_packed_command(check).await;
                    answer.is_ok_and(|value| is_well(&value))
                };
                match self.answer_within(PONG_WITHIN, answer).await {
                    Some(true) => {}
                    Some(false) => return,
                    None => return silent.notify_waiters(),
                }
            }
        };
        tokio::select! {
            () = beat => {}
            () = self.heard.ended.notified() => {}
            () = silent.notified() => {}
        }
    }

    /// Whether the answer is a good one; none if nothing at all came for that long.
    async fn answer_within(&self, limit: Duration, answer: impl Future<Output = bool>) -> Option<bool> {
        tokio::pin!(answer);
        loop {
            let before = self.heard.pushes.load(Relaxed);
            match timeout(limit, &mut answer).await {
                Ok(well) => return Some(well),
                Err(_) if self.heard.pushes.load(Relaxed) == before => return None,
                Err(_) => {}
            }
        }
    }
}
