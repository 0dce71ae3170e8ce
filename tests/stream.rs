//! Stream mode: messages as a stream, and the connection as a stream of bytes.

mod support;

use std::{io, time::Duration};

use futures_util::{FutureExt, StreamExt};
use gustnado::{
    Cause, Closed, ClosedBy, Conn, Disconnect, Handler, Incoming, Message, MessageMode, SendError, SlowReader,
};
use support::{Client, Frame, TEXT, connect, frame};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, split},
    sync::mpsc,
    time::{Instant, timeout},
};

/// A handler that runs `run`, and what comes of it.
fn telling<T, F, Fut>(run: F) -> (Handler, mpsc::Receiver<T>)
where
    T: Send + Sync + 'static,
    F: Fn(Conn, Incoming) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let handler = Handler::stream(move |conn, incoming| {
        let (run, sender) = (run(conn, incoming), sender.clone());
        async move {
            sender.send(run.await).await?;
            Ok(())
        }
    });
    (handler, receiver)
}

/// Sends numbered texts until nothing moves any more; how many there were. Virtual time must stand still.
async fn flood(client: &mut Client) -> usize {
    for number in 0.. {
        let message = frame(TEXT, format!("{number:09}").as_bytes());
        // Time goes on only when nobody has anything to do.
        if timeout(Duration::from_secs(1), client.io.write_all(&message)).await.is_err() {
            return number;
        }
    }
    unreachable!("something has to push back")
}

// Messages.

#[tokio::test]
async fn messages_come_in_order_by_next_and_as_a_stream() {
    let (by_next, mut nexts) = telling(|_, mut incoming| async move {
        let mut all = Vec::new();
        while let Some(message) = incoming.next().await {
            all.push(message);
        }
        all
    });
    let (as_stream, mut streams) = telling(|_, incoming| StreamExt::collect::<Vec<_>>(incoming));
    for (handler, told) in [(by_next, &mut nexts), (as_stream, &mut streams)] {
        let mut client = connect(&handler).await;
        client.text("one").await;
        client.binary(b"two").await;
        client.text("").await;
        client.bye().await;
        let expected = [Message::from("one"), Message::from(&b"two"[..]), Message::from("")];
        assert_eq!(told.recv().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn what_came_before_a_close_is_read_whole_however_late() {
    let (handler, mut told) = telling(|conn, incoming| async move {
        let closed = conn.closed().await;
        (closed.code().as_u16(), incoming.count().await)
    });
    let mut client = connect(&handler).await;
    for _ in 0..250 {
        client.text("hello").await;
    }
    client.bye().await;
    assert_eq!(told.recv().await, Some((1000, 250)));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_messages_wait_for_the_function_and_then_the_clients_writes_stall() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = std::sync::Mutex::new(Some(gone));
    let (handler, mut told) = telling(move |_, mut incoming| {
        let gone = gone.lock().unwrap().take();
        async move {
            gone.unwrap().await.unwrap();
            let mut waiting = Vec::new();
            while let Some(Some(message)) = incoming.next().now_or_never() {
                waiting.push(message);
            }
            let at_once = waiting.len();
            while let Some(message) = incoming.next().await {
                waiting.push(message);
            }
            (at_once, waiting)
        }
    });
    let mut client = connect(&handler.read_ahead(0)).await;
    let sent = flood(&mut client).await;
    // At most: what waits, one in the session's hands, what it has read, and what the transport holds.
    assert!(sent > 100, "{sent}");
    assert!(sent <= 100 + 1 + 2 * support::PIPE / 15, "{sent}");

    go.send(()).unwrap();
    // The write that was given up has sent a part of its frame.
    drop(client);
    let (at_once, all) = told.recv().await.unwrap();
    assert_eq!(at_once, 100);
    assert_eq!(all.len(), sent, "none is lost");
    for (number, message) in all.into_iter().enumerate() {
        assert_eq!(message.text().unwrap(), format!("{number:09}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_pushed_back_is_served_on_when_the_function_reads_again() {
    let handler = Handler::stream(|conn, mut incoming| async move {
        tokio::time::sleep(Duration::from_secs(300)).await;
        let mut count = 0;
        while let Some(message) = incoming.next().await {
            count += 1;
            if message.text()? == "how many?" {
                conn.send(count.to_string()).await?;
            }
        }
        Ok(())
    })
    .ping_interval(None);
    let mut client = connect(&handler).await;
    let start = Instant::now();
    for _ in 0..10_000 {
        client.text("hello").await;
    }
    assert_eq!(start.elapsed().as_secs(), 300, "the writes have waited, and the peer was not taken for dead");
    client.text("how many?").await;
    assert_eq!(client.next().await, Frame::text("10001"));
    client.bye().await;
}

// Ends.

async fn end_of(client: impl AsyncFnOnce(Client)) -> Closed {
    let (handler, mut told) = telling(|conn, mut incoming| async move {
        assert_eq!(incoming.next().await, None);
        assert_eq!(incoming.next().await, None, "and for ever");
        conn.closed().await
    });
    client(connect(&handler).await).await;
    told.recv().await.unwrap()
}

#[tokio::test]
async fn incoming_ends_with_the_connection_and_closed_tells_why() {
    let closed = end_of(async |mut client: Client| {
        client.close(4000, "enough").await;
        assert_eq!(client.next().await, Frame::close(4000, "enough"));
        assert_eq!(client.next().await, Frame::End);
    })
    .await;
    assert_eq!((closed.by(), closed.code().as_u16(), closed.reason()), (ClosedBy::Peer, 4000, "enough"));
    assert!(closed.was_clean() && closed.cause().is_none());

    let closed = end_of(async |client: Client| drop(client)).await;
    assert_eq!((closed.by(), closed.code().as_u16()), (ClosedBy::Transport, 1006));
    assert!(matches!(closed.cause(), Some(Cause::Eof)), "{closed:?}");

    let closed = end_of(async |mut client: Client| client.write(&[0xFF; 10]).await).await;
    assert_eq!((closed.by(), closed.code().as_u16()), (ClosedBy::Local, 1002));
    assert!(matches!(closed.cause(), Some(Cause::Protocol(_))), "{closed:?}");
}

#[tokio::test]
async fn a_function_that_returns_closes_as_it_says() {
    let returns =
        |result: fn() -> Result<(), Disconnect>| Handler::stream(move |_, _| async move { result() });
    for (handler, frame) in [
        (returns(|| Ok(())), Frame::close(1000, "")),
        (returns(|| Err(Disconnect::new(4003, "kicked"))), Frame::close(4003, "kicked")),
        (returns(|| Err(Disconnect::normal())), Frame::close(1000, "")),
        (returns(|| Err(io::Error::other("the password is 1234").into())), Frame::close(1011, "")),
        (returns(|| panic!("a test panics")), Frame::close(1011, "")),
        (
            Handler::stream(|_, _| -> std::future::Ready<_> { panic!("a test panics") }),
            Frame::close(1011, ""),
        ),
    ] {
        let mut client = connect(&handler).await;
        assert_eq!(client.next().await, frame);
        client.close(1000, "").await;
        assert_eq!(client.next().await, Frame::End);
    }
}

#[tokio::test]
async fn what_was_sent_before_the_function_returned_arrives_before_the_close() {
    let handler = Handler::stream(|conn, _| async move {
        for number in 0..100 {
            conn.send(number.to_string()).await?;
        }
        Ok(())
    });
    let mut client = connect(&handler).await;
    for number in 0..100 {
        assert_eq!(client.next().await, Frame::text(&number.to_string()));
    }
    assert_eq!(client.next().await, Frame::close(1000, ""));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_dropped_incoming_goes_on_sending_and_stalls_nobody() {
    let handler = Handler::stream(|conn, incoming| async move {
        drop(incoming);
        for number in 0..3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            conn.send(number.to_string()).await?;
        }
        conn.closed().await;
        Ok(())
    });
    let mut client = connect(&handler).await;
    for _ in 0..20_000 {
        client.text("unheard").await;
    }
    client.ping(b"still there?").await;
    assert_eq!(client.next().await, Frame::Pong(b"still there?".to_vec()));
    for number in 0..3 {
        assert_eq!(client.next().await, Frame::text(&number.to_string()));
    }
    client.bye().await;
}

#[tokio::test(start_paused = true)]
async fn a_function_that_closes_with_a_full_inbox_and_waits_for_the_end_gets_it_at_once() {
    for read_ahead in [0, 64 * 1024] {
        let (handler, mut told) = telling(|conn, incoming| async move {
            tokio::time::sleep(Duration::from_secs(100)).await;
            conn.close(4000, "enough").unwrap();
            let closed = conn.closed().await;
            drop(incoming);
            closed
        });
        let handler = handler.read_ahead(read_ahead).ping_interval(None).pong_timeout(None);
        let mut client = connect(&handler).await;
        let start = Instant::now();
        // Stalls until the function closes, and the session reads on.
        client.write(&frame(TEXT, b"hello").repeat(20_000)).await;
        client.close(4000, "").await;
        assert_eq!(client.next().await, Frame::close(4000, "enough"));
        assert_eq!(client.next().await, Frame::End);
        let closed = told.recv().await.unwrap();
        assert!(closed.was_clean(), "{closed:?}");
        assert_eq!(start.elapsed().as_secs(), 100, "nothing waited for a timeout");
    }
}

#[tokio::test]
async fn a_function_is_not_aborted_when_the_connection_ends_first() {
    let (release, released) = tokio::sync::watch::channel(false);
    let (handler, mut told) = telling(move |conn, _incoming| {
        let mut released = released.clone();
        async move {
            conn.closed().await;
            released.wait_for(|released| *released).await.unwrap();
            matches!(conn.send("too late").await, Err(SendError::Closing(_)))
        }
    });
    connect(&handler).await.bye().await;
    assert_eq!(handler.stats().open, 1, "the function still runs");
    release.send(true).unwrap();
    assert_eq!(told.recv().await, Some(true));
}

// Bytes.

#[tokio::test]
async fn a_short_buffer_loses_nothing() {
    let (handler, mut told) = telling(|conn, incoming| async move {
        let mut io = conn.io(incoming, MessageMode::Binary);
        let mut all = Vec::new();
        let mut byte = [0];
        while io.read(&mut byte).await.unwrap() == 1 {
            all.push(byte[0]);
        }
        assert_eq!(io.read(&mut byte).await.unwrap(), 0, "and for ever");
        String::from_utf8(all).unwrap()
    });
    let mut client = connect(&handler).await;
    let mut expected = String::new();
    for number in 0..300 {
        let message = "ab".repeat(number % 7) + &number.to_string();
        expected += &message;
        if number % 2 == 0 { client.text(&message).await } else { client.binary(message.as_bytes()).await }
    }
    client.bye().await;
    assert_eq!(told.recv().await.unwrap(), expected);
}

#[tokio::test]
async fn an_empty_message_is_not_the_end() {
    let (handler, mut told) = telling(|conn, incoming| async move {
        let mut io = conn.io(incoming, MessageMode::Text);
        let mut all = String::new();
        assert_eq!(io.read(&mut []).await.unwrap(), 0, "nor is an empty buffer");
        io.read_to_string(&mut all).await.unwrap();
        all
    });
    let mut client = connect(&handler).await;
    for text in ["", "a", "", "", "b", ""] {
        client.text(text).await;
    }
    client.bye().await;
    assert_eq!(told.recv().await.unwrap(), "ab");
}

#[tokio::test]
async fn each_write_is_one_message_of_the_chosen_kind() {
    let handler = Handler::stream(|conn, incoming| async move {
        let mut io = conn.io(incoming, MessageMode::default());
        io.write_all(b"text is the default").await?;
        io.set_mode(MessageMode::Binary);
        io.write_all(b"\xFF\x00").await?;
        io.write_all(b"ascii").await?;
        io.set_mode(MessageMode::Text);
        io.write_all("übrig".as_bytes()).await?;
        io.flush().await?;
        Ok(())
    });
    let mut client = connect(&handler).await;
    assert_eq!(client.next().await, Frame::text("text is the default"));
    assert_eq!(client.next().await, Frame::Binary(vec![0xFF, 0]));
    assert_eq!(client.next().await, Frame::Binary(b"ascii".to_vec()));
    assert_eq!(client.next().await, Frame::text("übrig"));
    assert_eq!(client.next().await, Frame::close(1000, ""));
}

#[tokio::test]
async fn a_character_that_is_cut_between_writes_is_sent_whole() {
    let handler = Handler::stream(|conn, incoming| async move {
        let mut io = conn.io(incoming, MessageMode::Text);
        for part in [&b"a\xC3"[..], b"\xBCb", b"\xF0", b"\x9F", b"\x8C", b"\xAA", b"c"] {
            assert_eq!(io.write(part).await?, part.len());
        }
        io.shutdown().await?;
        Ok(())
    });
    let mut client = connect(&handler).await;
    for text in ["a", "üb", "🌪", "c"] {
        assert_eq!(client.next().await, Frame::text(text));
    }
    assert_eq!(client.next().await, Frame::close(1000, ""));
}

#[tokio::test]
async fn every_cut_of_a_text_arrives_as_the_text() {
    const TEXT: &str = "aüb🌪cßd漢字";
    let handler = Handler::stream(|conn, incoming| async move {
        let mut io = conn.io(incoming, MessageMode::Text);
        for size in 1..TEXT.len() {
            for part in TEXT.as_bytes().chunks(size) {
                io.write_all(part).await?;
            }
        }
        Ok(())
    });
    let mut client = connect(&handler).await;
    let mut all = String::new();
    while let Frame::Text(text) = client.next().await {
        assert!(!text.is_empty());
        all += &text;
    }
    assert_eq!(all, TEXT.repeat(TEXT.len() - 1));
}

#[tokio::test]
async fn what_is_no_text_is_invalid_data_and_the_connection_goes_on() {
    let handler = Handler::stream(|conn, incoming| async move {
        let mut io = conn.io(incoming, MessageMode::Text);
        for bad in [&b"\xFF"[..], b"good \xC0\xAF", b"\xED\xA0\x80"] {
            assert_eq!(io.write(bad).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        io.write_all(b"\xC3").await?;
        assert_eq!(io.write(b"x").await.unwrap_err().kind(), io::ErrorKind::InvalidData, "half a character");
        io.write_all(b"good").await?;
        Ok(())
    });
    let mut client = connect(&handler).await;
    assert_eq!(client.next().await, Frame::text("good"));
    assert_eq!(client.next().await, Frame::close(1000, ""));
}

#[tokio::test]
async fn half_a_character_before_binary_is_invalid_data_and_not_put_behind_it() {
    let handler = Handler::stream(|conn, incoming| async move {
        let mut io = conn.io(incoming, MessageMode::Text);
        io.write_all(b"a\xC3").await?;
        io.set_mode(MessageMode::Binary);
        assert_eq!(io.write(b"b").await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        io.write_all(b"c").await?;
        io.set_mode(MessageMode::Text);
        io.write_all(b"d").await?;
        Ok(())
    });
    let mut client = connect(&handler).await;
    assert_eq!(client.next().await, Frame::text("a"));
    assert_eq!(client.next().await, Frame::Binary(b"c".to_vec()));
    assert_eq!(client.next().await, Frame::text("d"));
}

#[tokio::test]
async fn half_a_character_at_the_end_is_invalid_data_and_closes_all_the_same() {
    let (handler, mut told) = telling(|conn, incoming| async move {
        let mut io = conn.io(incoming, MessageMode::Text);
        io.write_all(b"a\xC3").await.unwrap();
        io.shutdown().await.unwrap_err().kind()
    });
    let mut client = connect(&handler).await;
    assert_eq!(client.next().await, Frame::text("a"));
    assert_eq!(client.next().await, Frame::close(1000, ""));
    assert_eq!(told.recv().await, Some(io::ErrorKind::InvalidData));
}

#[tokio::test]
async fn a_shutdown_closes_with_1000_and_the_rest_may_still_be_read() {
    let (handler, mut told) = telling(|conn, incoming| async move {
        let mut io = conn.io(incoming, MessageMode::Text);
        io.write_all(b"bye").await.unwrap();
        io.shutdown().await.unwrap();
        let after = io.write(b"too late").await.unwrap_err().kind();
        let mut rest = String::new();
        io.read_to_string(&mut rest).await.unwrap();
        (after, conn.closed().await.was_clean())
    });
    let mut client = connect(&handler).await;
    assert_eq!(client.next().await, Frame::text("bye"));
    assert_eq!(client.next().await, Frame::close(1000, ""));
    client.close(1000, "").await;
    assert_eq!(client.next().await, Frame::End);
    assert_eq!(told.recv().await, Some((io::ErrorKind::BrokenPipe, true)));
}

#[tokio::test]
async fn writing_after_the_peer_has_closed_is_a_broken_pipe() {
    for mode in [MessageMode::Text, MessageMode::Binary] {
        let (handler, mut told) = telling(move |conn, incoming| async move {
            let mut io = conn.io(incoming, mode);
            assert_eq!(io.read(&mut [0; 10]).await.unwrap(), 0);
            io.write(b"too late").await.unwrap_err().kind()
        });
        connect(&handler).await.bye().await;
        assert_eq!(told.recv().await, Some(io::ErrorKind::BrokenPipe));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_times_a_write_out() {
    let (handler, mut told) = telling(|conn, incoming| async move {
        let mut io = conn.io(incoming, MessageMode::Binary);
        let start = Instant::now();
        loop {
            if let Err(error) = io.write_all(&[0; 1000]).await {
                return (error.kind(), start.elapsed().as_secs());
            }
        }
    });
    let handler = handler.outbox_limits(10_000, 100).slow_reader(SlowReader::DropNewest);
    let _client = connect(&handler).await;
    assert_eq!(told.recv().await, Some((io::ErrorKind::TimedOut, 15)));
}

#[tokio::test]
async fn bytes_copied_from_one_half_to_the_other_all_come_back() {
    let handler = Handler::stream(|conn, incoming| async move {
        let (mut reader, mut writer) = split(conn.io(incoming, MessageMode::Binary));
        tokio::io::copy(&mut reader, &mut writer).await?;
        Ok(())
    })
    .outbox_limits(20_000, 10);
    let client = connect(&handler).await;
    let (reader, mut writer) = split(client.io);
    let payload: Vec<u8> = (0..1_000_000_u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    let sent = payload.clone();
    tokio::spawn(async move {
        for chunk in sent.chunks(12_345) {
            writer.write_all(&frame(support::BINARY, chunk)).await.unwrap();
        }
        writer
    });
    let mut client = Client::new(tokio::io::join(reader, tokio::io::sink()));
    let mut received = Vec::new();
    while received.len() < payload.len() {
        let Frame::Binary(data) = client.next().await else { panic!("no binary message") };
        received.extend(data);
    }
    assert!(received == payload);
}

#[tokio::test]
async fn lines_are_read_across_messages() {
    let handler = Handler::stream(|conn, incoming| async move {
        let (reader, mut writer) = split(conn.io(incoming, MessageMode::Text));
        let mut lines = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await? {
            writer.write_all(line.to_uppercase().as_bytes()).await?;
            writer.flush().await?;
        }
        Ok(())
    });
    let mut client = connect(&handler).await;
    client.text("hel").await;
    client.text("lo\nwor").await;
    assert_eq!(client.next().await, Frame::text("HELLO"));
    client.text("ld\n").await;
    assert_eq!(client.next().await, Frame::text("WORLD"));
    client.bye().await;
}
