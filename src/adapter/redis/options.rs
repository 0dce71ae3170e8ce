//! Where Redis is, and what the adapter may cost.

use std::fmt;

use percent_encoding::percent_decode_str;

/// Everything that [`Redis`](super::Redis) is told before it starts.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) servers: Vec<Address>,
    pub(super) service: Service,
    pub(super) tls: bool,
    pub(super) login: Login,
    pub(super) sentinel_login: Login,
    pub(super) database: i64,
    /// Certificates of the authority, PEM; those of the system if there are none.
    pub(super) authority: Option<Vec<u8>>,
    pub(super) prefix: String,
    pub(super) queue_bytes: usize,
    pub(super) queue_packets: usize,
    pub(super) packet_bytes: usize,
    pub(super) trust_engine: bool,
}

/// Who answers at the addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Service {
    /// The one server there is.
    Server,
    /// Sentinels, which know where the master of this name is.
    Sentinels(String),
    /// Nodes of a Cluster.
    Cluster,
}

#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
}

/// A server's host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Why a URL names no Redis. It does not repeat the URL, which may have a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the URL of a Redis: {0}")]
pub struct InvalidRedisUrl(&'static str);

impl Options {
    pub(super) fn parse(url: &str) -> Result<Self, InvalidRedisUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidRedisUrl("no scheme"))?;
        let (security, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match security {
            "redis" => false,
            "rediss" => true,
            _ => return Err(InvalidRedisUrl("the scheme is neither redis nor rediss")),
        };
        let rest = rest.split_once(['?', '#']).map_or(rest, |(rest, _)| rest);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let default_port = if kind == "sentinel" { 26379 } else { 6379 };
        let servers = hosts.split(',').map(|host| Address::parse(host, default_port));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let (service, database) = match kind {
            "" if servers.len() > 1 => {
                return Err(InvalidRedisUrl("several hosts, but no cluster or sentinel"));
            }
            "" => (Service::Server, path),
            "cluster" => (Service::Cluster, path),
            "sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(InvalidRedisUrl("the master's name is missing after the sentinels"));
                }
                (Service::Sentinels(decoded(master)?), database)
            }
            _ => return Err(InvalidRedisUrl("after the + is neither cluster nor sentinel")),
        };
        let database = match database {
            "" => 0,
            number => number.parse().map_err(|_| InvalidRedisUrl("the database is not a number"))?,
        };
        if service == Service::Cluster && database != 0 {
            return Err(InvalidRedisUrl("a cluster has no databases"));
        }
        Ok(Self {
            servers,
            service,
            tls,
            login: Login::parse(login)?,
            sentinel_login: Login::default(),
            database,
            authority: None,
            prefix: "gustnado".into(),
            queue_bytes: 16 << 20,
            queue_packets: 16 * 1024,
            packet_bytes: 8 << 20,
            trust_engine: false,
        })
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.service == Service::Cluster
    }
}

impl Login {
    fn parse(text: &str) -> Result<Self, InvalidRedisUrl> {
        let (username, password) = text.split_once(':').unwrap_or((text, ""));
        let some = |text: &str| (!text.is_empty()).then(|| decoded(text)).transpose();
        Ok(Self { username: some(username)?, password: some(password)? })
    }
}

impl Address {
    fn parse(text: &str, default_port: u16) -> Result<Self, InvalidRedisUrl> {
        let bad_port = |_| InvalidRedisUrl("the port is not a number up to 65535");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or(InvalidRedisUrl("a [ without its ]"))?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(bad_port)?,
            None => default_port,
        };
        let host = if host.is_empty() { "localhost" } else { host };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn decoded(text: &str) -> Result<String, InvalidRedisUrl> {
    let text =
        percent_decode_str(text).decode_utf8().map_err(|_| InvalidRedisUrl("an escape is not UTF-8"))?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16) -> Address {
        Address { host: host.into(), port }
    }

    #[test]
    fn a_url_says_everything() {
        let options = Options::parse("rediss://ann:p%40ss@db.example:6380/3").expect("a URL");
        assert_eq!(options.servers, [server("db.example", 6380)]);
        assert_eq!((options.tls, options.database, options.service), (true, 3, Service::Server));
        assert_eq!(options.login.username.as_deref(), Some("ann"));
        assert_eq!(options.login.password.as_deref(), Some("p@ss"));
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let options = Options::parse("redis://:secret@").expect("a URL");
        assert_eq!(options.servers, [server("localhost", 6379)]);
        assert_eq!((options.login.username, options.login.password), (None, Some("secret".into())));
        assert_eq!(Options::parse("redis://[::1]").expect("a URL").servers, [server("::1", 6379)]);
    }

    #[test]
    fn sentinels_and_clusters_have_several_hosts() {
        let options = Options::parse("redis+sentinel://a,b:1/my%20master/2").expect("a URL");
        assert_eq!(options.servers, [server("a", 26379), server("b", 1)]);
        assert_eq!((options.service, options.database), (Service::Sentinels("my master".into()), 2));
        let options = Options::parse("rediss+cluster://a:1,b:2").expect("a URL");
        assert_eq!((options.service, options.tls), (Service::Cluster, true));
    }

    #[test]
    fn what_is_no_url_is_refused_and_not_repeated() {
        for url in [
            "localhost",
            "http://secret@h",
            "redis://a,b",
            "redis://h:secret",
            "redis://h/secret",
            "redis+sentinel://secret",
            "redis+cluster://h/1",
            "redis+secret://h",
        ] {
            let error = Options::parse(url).err().expect(url).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
