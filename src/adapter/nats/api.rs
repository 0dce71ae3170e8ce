//! What JetStream is asked over a connection, and what it answers.
//!
//! Plain requests, not the client's own JetStream: that tells a refusal of the server and a lost answer apart only by
//! their texts, and waits for one message before it asks for the next.

use std::fmt;

use async_nats::{Client, HeaderMap, HeaderValue, Message, Request, RequestErrorKind, StatusCode, header};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};

use super::next;

/// As many requests are under way at once: the answers of the largest entries still fit into what a server keeps for a
/// client.
const AT_ONCE: usize = 32;

const UNAVAILABLE: u16 = 503;
const NOT_ENABLED: [u32; 2] = [10039, 10076];
const NAME_IS_TAKEN: u32 = 10058;
const NO_SUCH_STREAM: u32 = 10059;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing has that name or subject, so nothing was done.
    Absent,
    /// A stream has that name already.
    NameIsTaken,
    /// The server, or its account, has no JetStream.
    NoJetStream,
    /// It was not done, but it may be soon.
    NotYet(String),
    /// It was not done.
    Refused(String),
    /// Nobody knows.
    NoAnswer,
}

/// Where an entry is.
#[derive(Debug, Deserialize)]
pub(super) struct Appended {
    pub(super) seq: u64,
    /// It was there before.
    #[serde(default)]
    pub(super) duplicate: bool,
}

/// One connection.
#[derive(Clone)]
pub(super) struct Api(pub(super) Client);

impl Api {
    /// `what` without the prefix of the API.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        body: impl Into<Bytes>,
    ) -> Result<T, Failure> {
        let request = Request::new().payload(body.into());
        parse(&self.send(format!("$JS.API.{what}"), request).await?)
    }

    /// Stores an entry, or finds the one that has its key already.
    pub(super) async fn append(
        &self,
        subject: String,
        entry: Bytes,
        key: Option<&str>,
    ) -> Result<Appended, Failure> {
        let mut request = Request::new().payload(entry);
        if let Some(key) = key {
            // A line of its own in the protocol: a key must not end it.
            let key: HeaderValue = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string().into();
            let mut headers = HeaderMap::new();
            headers.insert(header::NATS_MESSAGE_ID, key);
            request = request.headers(headers);
        }
        parse(&self.send(subject, request).await?)
    }

    async fn send(&self, subject: String, request: Request) -> Result<Message, Failure> {
        // Whoever asks has a deadline.
        let answer = self.0.send_request(subject, request.timeout(None)).await;
        answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => Failure::Absent,
            RequestErrorKind::MaxPayloadExceeded => Failure::Refused("it is too large for the server".into()),
            _ => Failure::NoAnswer,
        })
    }

    /// The answers to several requests, as many as these and in their order; each may say that there is none.
    pub(super) async fn ask_all(
        &self,
        requests: impl ExactSizeIterator<Item = (String, Bytes)>,
    ) -> Result<Vec<Message>, Failure> {
        let count = requests.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let (inbox, mut requests) = (self.0.new_inbox(), requests.enumerate());
        let gone = |_| Failure::NoAnswer;
        let mut answers = self.0.subscribe(format!("{inbox}.*")).await.map_err(|_| Failure::NoAnswer)?;
        let mut answered: Vec<Option<Message>> = vec![None; count];
        for done in 0..count {
            let free = if done == 0 { AT_ONCE } else { 1 };
            for (place, (what, body)) in requests.by_ref().take(free) {
                let (subject, reply) = (format!("$JS.API.{what}"), format!("{inbox}.{place}"));
                self.0.publish_with_reply(subject, reply, body).await.map_err(gone)?;
            }
            let answer = next(&mut answers).await.ok_or(Failure::NoAnswer)?;
            let place = answer.subject.rsplit('.').next().and_then(|place| place.parse::<usize>().ok());
            let slot = place.and_then(|place| answered.get_mut(place)).ok_or(Failure::NoAnswer)?;
            *slot = Some(answer);
        }
        answered.into_iter().collect::<Option<_>>().ok_or(Failure::NoAnswer)
    }
}

/// What an answer in JSON says.
pub(super) fn parse<T: DeserializeOwned>(answer: &Message) -> Result<T, Failure> {
    #[derive(Deserialize)]
    struct Refused {
        error: Option<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        code: u16,
        #[serde(default)]
        err_code: u32,
        #[serde(default)]
        description: String,
    }
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(Failure::Absent);
    }
    // What is no JSON is no answer of JetStream.
    let refused: Refused = serde_json::from_slice(&answer.payload).map_err(|_| Failure::NoAnswer)?;
    let Some(error) = refused.error else {
        return serde_json::from_slice(&answer.payload).map_err(|_| Failure::NoAnswer);
    };
    Err(match error {
        Error { err_code: NO_SUCH_STREAM, .. } => Failure::Absent,
        Error { err_code: NAME_IS_TAKEN, .. } => Failure::NameIsTaken,
        Error { err_code, .. } if NOT_ENABLED.contains(&err_code) => Failure::NoJetStream,
        Error { code: UNAVAILABLE, description, .. } => Failure::NotYet(description),
        Error { description, .. } => Failure::Refused(description),
    })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "there is no such stream",
            Self::NameIsTaken => "another stream has that name",
            Self::NoJetStream => "the server has no JetStream",
            Self::NotYet(why) | Self::Refused(why) => why,
            Self::NoAnswer => "the server does not answer",
        })
    }
}
