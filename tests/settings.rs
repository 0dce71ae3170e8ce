//! Settings from a file and from the environment: what they turn, and what they say about mistakes.

mod support;

use gustnado::{
    Conn, Disconnect, Handler, Message,
    settings::{AdapterType, Settings, SettingsError},
};
use http::StatusCode;
use serde::Deserialize;
use support::{Frame, answer_to, connect, connect_with, request_with};

fn toml(text: &str) -> Settings {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What is said about a file of this content.
fn mistake(text: &str) -> String {
    toml::from_str::<Settings>(text).expect_err(text).to_string()
}

fn env(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_vars("GUSTNADO", variables.iter().copied())
}

fn echo(settings: &Settings) -> Handler {
    let echo = |conn: Conn, message: Message| async move { Ok::<_, Disconnect>(conn.send(message).await?) };
    settings.apply(Handler::on_message(echo)).expect("settings of this build")
}

#[tokio::test]
async fn a_limit_from_a_file_holds() {
    let mut client = connect(&echo(&toml(r#"max_message_size = "1 KiB""#))).await;
    client.text(&"a".repeat(1024)).await;
    assert_eq!(client.next().await, Frame::Text("a".repeat(1024)));
    client.text(&"a".repeat(1025)).await;
    assert!(matches!(client.next().await, Frame::Close(Some((1009, _)))));
}

#[tokio::test]
async fn a_limit_from_the_environment_holds() {
    let settings = env(&[("GUSTNADO_MAX_MESSAGE_SIZE", "4"), ("GUSTNADO_DEBUG", "true")]).unwrap();
    let mut client = connect(&echo(&settings)).await;
    client.text("12345").await;
    assert!(matches!(client.next().await, Frame::Close(Some((1009, _)))));
}

#[tokio::test]
async fn an_origin_policy_holds() {
    const PAGE: &str = "Origin: https://app.example.org";
    let asks = request_with("/ws", &[PAGE]);
    let list = toml(r#"origin = ["https://app.example.org"]"#);
    let from_env = env(&[("GUSTNADO_ORIGIN", "http://localhost:3000, https://app.example.org")]).unwrap();
    for settings in [&list, &from_env, &toml(r#"origin = "any""#)] {
        connect_with(&echo(settings), &asks).await.bye().await;
    }
    for settings in [toml(r#"origin = "same_host""#), toml(r#"origin = ["https://example.net"]"#), toml("")] {
        assert_eq!(answer_to(&echo(&settings), &asks).await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test(start_paused = true)]
async fn an_interval_holds() {
    let mut client = connect(&echo(&toml(r#"ping_interval = "5s""#))).await;
    let start = tokio::time::Instant::now();
    assert!(matches!(client.next().await, Frame::Ping(_)));
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn the_limits_of_a_hub_hold() {
    let settings = toml("max_rooms = 1");
    let hub = settings.hub().unwrap();
    let handler = Handler::on_message(|conn, message| async move {
        let joined = conn.join(message.text()?).await;
        Ok(conn.send(format!("{}", joined.is_ok())).await?)
    });
    let mut client = connect(&settings.apply(handler).unwrap().hub(&hub)).await;
    client.text("one").await;
    assert_eq!(client.next().await, Frame::text("true"));
    client.text("another").await;
    assert_eq!(client.next().await, Frame::text("false"));
}

#[test]
fn every_key_is_read() {
    let text = include_str!("../examples/configured/gustnado.toml");
    let file: toml::Table = toml::from_str(text).unwrap();
    let mut table = file["websocket"].as_table().expect("a table").clone();
    // Without a default, so that the example has them in comments only.
    let unlimited = [
        "max_connections",
        "max_connections_per_peer",
        "max_connections_per_user",
        "max_new_connections",
        "message_rate",
    ];
    for key in unlimited {
        assert!(text.contains(&format!("\n# {key} = ")), "{key}");
        table.insert(key.into(), 5.into());
    }
    let settings: Settings = toml::Value::Table(table).try_into().unwrap();
    let debug = format!("{settings:?}");
    let unset = debug.matches("None").count();
    let tables = if cfg!(feature = "deflate") { 3 } else { 2 };
    assert_eq!(unset, 7 * tables, "only the tables, of seven keys each, are not in the example: {debug}");
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_admission_and_of_rates_are_turned() {
    let handler =
        toml("max_connections = 1\nmessage_rate = 1").apply(Handler::new(|| gustnado::Echo)).unwrap();
    let mut client = connect(&handler).await;
    let answer = support::answer_to(&handler, &support::request()).await;
    assert_eq!(answer.status, 503);
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        client.text("x").await;
        assert_eq!(client.next().await, Frame::text("x"));
    }
    assert!(start.elapsed() >= std::time::Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn the_yaml_of_the_nylon_document_is_understood() {
    #[derive(Debug, Deserialize)]
    struct File {
        websocket: Settings,
    }
    let redis: File = yaml_serde::from_str(
        r#"
websocket:
  adapter_type: redis
  redis:
    host: localhost
    port: 6379
    password: null
    db: 0
    key_prefix: "nylon:ws"
"#,
    )
    .unwrap();
    assert_eq!(redis.websocket.adapter_type(), AdapterType::Redis);
    let adapter = redis.websocket.adapter().unwrap();
    assert_eq!((adapter.host(), adapter.port(), adapter.db()), ("localhost", Some(6379), 0));
    assert_eq!((adapter.password(), adapter.key_prefix()), (None, "nylon:ws"));

    let memory: File = yaml_serde::from_str("websocket:\n  adapter_type: memory\n").unwrap();
    assert_eq!(memory.websocket.adapter_type(), AdapterType::Memory);
    assert!(memory.websocket.hub().is_ok());
}

#[tokio::test]
async fn an_adapter_is_built_or_it_is_said_which_feature_is_off() {
    let engines = [
        ("redis", AdapterType::Redis, cfg!(feature = "redis")),
        ("nats", AdapterType::Nats, cfg!(feature = "nats")),
    ];
    for (name, adapter, is_here) in engines {
        let settings = toml(&format!("adapter_type = {name:?}"));
        if is_here {
            let hub = settings.hub().unwrap();
            assert!(hub.stats().cluster.is_some(), "{name} connects the hub");
            continue;
        }
        assert_eq!(settings.hub().unwrap_err(), SettingsError::Adapter(adapter));
        let error = settings.apply(Handler::builder().build()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("adapter_type: the adapter {name} is not in this build: its feature `{name}` is off")
        );
    }
}

#[test]
fn a_mistake_in_a_file_is_named_with_its_path_and_what_is_allowed() {
    let cases = [
        (r#"max_mesage_size = 1"#, "max_mesage_size: unknown field", "`max_message_size`"),
        (r#"max_message_size = "big""#, r#"max_message_size: "big""#, "64 KiB"),
        ("max_message_size = 0", r#"max_message_size: "0""#, "at least 1"),
        ("max_message_size = -1", r#"max_message_size: "-1""#, "a number of bytes"),
        (r#"max_message_size = "99999999999 GiB""#, "max_message_size: ", "a number of bytes"),
        ("max_message_size = []", "max_message_size: invalid type: sequence", "a number of bytes"),
        ("max_fragments = 1.5", r#"max_fragments: "1.5""#, "a whole number"),
        ("ping_interval = 30", r#"ping_interval: "30""#, "30s"),
        (r#"ping_interval = "9999999h""#, "ping_interval: ", "24h"),
        (r#"close_timeout = "off""#, r#"close_timeout: "off""#, "30s"),
        (r#"write_timeout = "0s""#, r#"write_timeout: "0s""#, "1ms"),
        (r#"ping_interval = "2m""#, "pong_timeout: ", "more than the ping_interval"),
        (r#"slow_reader = "wait""#, r#"slow_reader: "wait""#, "drop_oldest"),
        (r#"debug = "maybe""#, r#"debug: "maybe""#, "true or false"),
        (r#"origin = "everybody""#, r#"origin: "everybody""#, "same_host, any"),
        (r#"origin = ["https://a.example", "b"]"#, r#"origin: "b""#, "https://example.com"),
        ("origin = 5", "origin: invalid type: integer `5`", "same_host, any"),
        (r#"adapter_type = "cluster""#, r#"adapter_type: "cluster""#, "memory, redis or nats"),
        ("[redis]\nport = 70000", r#"redis.port: "70000""#, "1 to 65535"),
        ("[redis]\nhots = 'a'", "redis.hots: unknown field", "`host`"),
        ("[redis]\nurl = 'redis://a'\nhost = 'a'", "redis.host: not allowed", "redis.url"),
    ];
    for (text, problem, allowed) in cases {
        let said = mistake(text);
        let (key, problem) = problem.split_once(": ").expect("a key and a problem");
        // Between the two, TOML shows the line.
        assert!(said.starts_with(&format!("{key}: ")), "{text}: {said}");
        assert!(said.contains(problem) && said.contains(allowed), "{text}: {said}");
    }
}

#[test]
fn a_mistake_in_the_environment_is_named_by_the_variable() {
    let cases = [
        ("GUSTNADO_MAX_MESAGE_SIZE", "1", "unknown field"),
        ("GUSTNADO_PING_INTERVAL", "30", "30s"),
        ("GUSTNADO_REDIS_PORT", "none", "1 to 65535"),
        ("GUSTNADO_REDIS_HOTS", "a", "`host`"),
        ("GUSTNADO_ORIGIN", "everybody", "same_host, any"),
    ];
    for (name, value, allowed) in cases {
        let said = env(&[(name, value)]).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{name}: ")) && said.contains(allowed), "{said}");
    }
}

#[test]
fn the_environment_has_every_table_and_what_is_not_ours_is_left_alone() {
    let settings = env(&[
        ("PATH", "/bin"),
        ("GUSTNADOES", "two"),
        ("GUSTNADO_PING_INTERVAL", ""),
        ("GUSTNADO_ADAPTER_TYPE", "nats"),
        ("GUSTNADO_NATS_URL", "nats://localhost:4222"),
        ("GUSTNADO_NATS_KEY_PREFIX", "chat"),
        ("GUSTNADO_REDIS_PORT", "6380"),
    ])
    .unwrap();
    let adapter = settings.adapter().unwrap();
    assert_eq!((adapter.url(), adapter.key_prefix()), (Some("nats://localhost:4222"), "chat"));
}

#[test]
fn no_secret_is_printed() {
    let settings = toml(
        "adapter_type = 'redis'\n[redis]\npassword = ' geheim '\n[nats]\nurl = 'nats://app:geheim@localhost'",
    );
    assert_eq!(settings.adapter().unwrap().password(), Some(" geheim "), "as it is, spaces and all");
    assert!(!format!("{settings:?}").contains("geheim"));
    assert!(!format!("{:?}", settings.adapter()).contains("geheim"));
    // A format's own message shows the line; ours does not repeat the value.
    let error = yaml_serde::from_str::<Settings>("redis:\n  password: 271828\n").unwrap_err().to_string();
    assert!(error.contains("redis.password: ") && error.contains("quotes"), "{error}");
    assert!(!error.contains("271828"), "{error}");
}

#[cfg(feature = "deflate")]
#[tokio::test]
async fn the_table_of_compression_turns_what_is_agreed() {
    const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate";
    const TAKEOVER: &str = "server_context_takeover = true\nclient_context_takeover = true";
    let cases = [
        ("".to_owned(), Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")),
        ("[compression]\nenabled = false".to_owned(), None),
        (format!("[compression]\n{TAKEOVER}\nlevel = 6\nmin_size = 0"), Some("permessage-deflate")),
        (
            format!("[compression]\n{TAKEOVER}\nmax_memory = '300 KiB'\nignore_client_hint = true"),
            Some("permessage-deflate; server_max_window_bits=11"),
        ),
    ];
    for (text, agreed) in cases {
        let answer = answer_to(&echo(&toml(&text)), &request_with("/ws", &[OFFER])).await;
        assert_eq!(answer.header("sec-websocket-extensions"), agreed, "{text}");
    }
    let settings = env(&[("GUSTNADO_COMPRESSION_ENABLED", "false")]).unwrap();
    let answer = answer_to(&echo(&settings), &request_with("/ws", &[OFFER])).await;
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    let said = env(&[("GUSTNADO_COMPRESSION_LEVEL", "10")]).unwrap_err().to_string();
    assert!(said.starts_with("GUSTNADO_COMPRESSION_LEVEL: ") && said.contains("1 to 9"), "{said}");
}
