//! Which server holds which slots, as Redis says.

use std::time::Duration;

use redis::{RedisError, RedisResult, Value, cmd};

use super::{
    dial::{self, Line},
    options::{Address, Options, Service},
};

pub(super) const SLOTS: u16 = 16384;
const ANSWER_WITHIN: Duration = Duration::from_millis(600);

/// From a first to a last slot, and who holds them.
pub(super) type Ranges = Vec<(u16, u16, Address)>;

/// Asks the sentinels or the nodes of a Cluster, over a connection that is kept.
pub(super) struct Topology<'a> {
    options: &'a Options,
    line: Option<(Address, Line)>,
    /// Nodes that were seen once: the first ones may be gone for ever.
    known: Vec<Address>,
}

impl<'a> Topology<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self { options, line: None, known: options.servers.clone() }
    }

    /// Who holds which slots now; `None` if nobody can say.
    pub(super) async fn ask(&mut self) -> Option<Ranges> {
        if self.options.service == Service::Server {
            return Some(vec![(0, SLOTS - 1, self.options.servers.first()?.clone())]);
        }
        if let Some((address, line)) = self.line.take()
            && let Ok(ranges) = self.ask_at(address, line).await
        {
            return Some(ranges);
        }
        for address in self.known.clone() {
            let line = match self.options.service {
                Service::Sentinels(_) => dial::open_sentinel(self.options, &address).await,
                Service::Server | Service::Cluster => dial::open(self.options, &address, |_| {}).await,
            };
            if let Ok(line) = line
                && let Ok(ranges) = self.ask_at(address, line).await
            {
                return Some(ranges);
            }
        }
        None
    }

    async fn ask_at(&mut self, address: Address, line: Line) -> RedisResult<Ranges> {
        let mut connection = line.connection.clone();
        let question = match &self.options.service {
            Service::Sentinels(master) => {
                cmd("SENTINEL").arg("get-master-addr-by-name").arg(master).to_owned()
            }
            Service::Server | Service::Cluster => cmd("CLUSTER").arg("SLOTS").to_owned(),
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, question.query_async::<Value>(&mut connection));
        let answer = answer.await.map_err(std::io::Error::from)??;
        let ranges = match &self.options.service {
            Service::Sentinels(_) => master(answer),
            Service::Server | Service::Cluster => slots(answer, &address),
        };
        let ranges = ranges.filter(|ranges| !ranges.is_empty()).ok_or_else(unexpected)?;
        if self.options.is_cluster() {
            self.known = ranges.iter().map(|(_, _, address)| address.clone()).collect();
            self.known.extend(self.options.servers.iter().cloned());
            self.known.dedup();
        }
        self.line = Some((address, line));
        Ok(ranges)
    }
}

fn unexpected() -> RedisError {
    (redis::ErrorKind::UnexpectedReturnType, "not a topology").into()
}

/// `[host, port]`
fn master(answer: Value) -> Option<Ranges> {
    let Value::Array(answer) = answer else { return None };
    let mut parts = answer.into_iter().map(text);
    let (host, port) = (parts.next()??, parts.next()??.parse().ok()?);
    Some(vec![(0, SLOTS - 1, Address { host, port })])
}

/// `[[first, last, [host, port, ..], replica ..], ..]`
fn slots(answer: Value, asked: &Address) -> Option<Ranges> {
    let Value::Array(ranges) = answer else { return None };
    let range = |range| {
        let Value::Array(range) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(node), ..] = &range[..] else { return None };
        let [host, Value::Int(port), ..] = &node[..] else { return None };
        // An empty host, or none, is the one that was asked.
        let host = text(host.clone()).filter(|host| !host.is_empty() && host != "?");
        let host = host.unwrap_or_else(|| asked.host.clone());
        let last = u16::try_from(*last).ok().filter(|last| *last < SLOTS)?;
        Some((u16::try_from(*first).ok()?, last, Address { host, port: u16::try_from(*port).ok()? }))
    };
    ranges.into_iter().map(range).collect()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn node(host: &str, port: i64) -> Value {
        Value::Array(vec![bulk(host), Value::Int(port), bulk("id")])
    }

    #[test]
    fn a_cluster_says_who_holds_which_slots() {
        let asked = Address { host: "asked".into(), port: 1 };
        let range = |first, last, node| Value::Array(vec![Value::Int(first), Value::Int(last), node]);
        let answer = Value::Array(vec![range(0, 99, node("a", 7000)), range(100, 16383, node("", 7001))]);
        let expected = vec![
            (0, 99, Address { host: "a".into(), port: 7000 }),
            (100, 16383, Address { host: "asked".into(), port: 7001 }),
        ];
        assert_eq!(slots(answer, &asked), Some(expected));
        assert_eq!(slots(Value::Array(vec![range(0, 16384, node("a", 1))]), &asked), None);
        assert_eq!(slots(Value::Okay, &asked), None);
    }

    #[test]
    fn a_sentinel_says_who_the_master_is() {
        let answer = Value::Array(vec![bulk("h"), bulk("6379")]);
        assert_eq!(master(answer), Some(vec![(0, 16383, Address { host: "h".into(), port: 6379 })]));
        assert_eq!(master(Value::Nil), None);
    }
}
