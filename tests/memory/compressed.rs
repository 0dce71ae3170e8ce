//! What compression costs: bombs, contexts, and connections that have agreed to it and are idle.

use flate2::{Compress, FlushCompress};
use gustnado::{Compression, Handler, Hub};

use crate::{
    KIB, MIB, Meter, alone, quiet,
    support::{BINARY, Client, Frame, echo, fragment, frame, request_with, serve},
};

/// Opens a connection that compresses; what was agreed is as the server wants it.
async fn connect(handler: &Handler) -> Client {
    let request = request_with("/ws", &["Sec-WebSocket-Extensions: permessage-deflate"]);
    let mut client = Client::new(serve(handler.clone()));
    let answer = client.ask(&request).await;
    assert!(answer.header("sec-websocket-extensions").is_some());
    client
}

/// 1 MiB that inflates to 1 GiB of zeros: what zlib makes of the second megabyte, again and again.
fn bomb() -> Vec<u8> {
    let zeros = vec![0; MIB];
    let mut zlib = Compress::new(flate2::Compression::best(), false);
    let mut out = Vec::with_capacity(2 * MIB);
    let mut ends = [0; 2];
    for end in &mut ends {
        zlib.compress_vec(&zeros, &mut out, FlushCompress::Sync).expect("a stream");
        *end = out.len();
    }
    for _ in 2..KIB {
        out.extend_from_within(ends[0]..ends[1]);
    }
    assert!((MIB - 64 * KIB..MIB + 64 * KIB).contains(&out.len()), "{}", out.len());
    out.truncate(out.len() - 4);
    out
}

fn compressed(mut frame: Vec<u8>) -> Vec<u8> {
    frame[0] |= 0x40;
    frame
}

/// Sends it to a server with this limit; what it cost, until the connection was closed with 1009.
async fn explode(frames: &[Vec<u8>], limit: usize, options: Compression) {
    let handler = echo().max_message_size(limit).outbox_limits(8 * MIB, 1024).compression(options);
    let client = connect(&handler).await;
    let meter = Meter::start();
    let (mut read, mut write) = tokio::io::split(client.io);
    let sending = async {
        for frame in frames {
            // The server stops listening in the middle.
            if tokio::io::AsyncWriteExt::write_all(&mut write, frame).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    let closing = async {
        let mut client = Client::new(tokio::io::join(&mut read, tokio::io::sink()));
        loop {
            match client.next().await {
                Frame::Close(close) => break close,
                Frame::End => panic!("no close"),
                _ => {}
            }
        }
    };
    let close = tokio::select! { close = closing => close, () = sending => panic!("the pipe broke") };
    assert_eq!(close.map(|(code, _)| code), Some(1009));
    super::assert_bounded(&meter, 2 * MIB);
}

const LIMITS: [usize; 2] = [64 * KIB, MIB];

fn both_ways() -> [Compression; 2] {
    [Compression::new(), Compression::new().client_context_takeover(true)]
}

#[test]
fn a_gigabyte_in_a_megabyte_costs_at_most_two() {
    alone(async {
        let frame = compressed(frame(BINARY, &bomb()));
        for limit in LIMITS {
            for options in both_ways() {
                explode(std::slice::from_ref(&frame), limit, options).await;
            }
        }
    });
}

#[test]
fn a_gigabyte_in_fragments_costs_at_most_two_megabytes() {
    alone(async {
        let bomb = bomb();
        let pieces = bomb.chunks(1500);
        let last = pieces.len() - 1;
        let mut frames: Vec<_> = pieces
            .enumerate()
            .map(|(nth, piece)| fragment(nth == last, if nth == 0 { BINARY } else { 0 }, piece))
            .collect();
        frames[0][0] |= 0x40;
        for limit in LIMITS {
            for options in both_ways() {
                explode(&frames, limit, options).await;
            }
        }
    });
}

#[test]
fn a_series_of_bombs_costs_at_most_two_megabytes() {
    alone(async {
        // Each as large as is allowed; a thousand of them, and the last one too large.
        let fine = vec![0; 64 * KIB];
        let mut zlib = Compress::new(flate2::Compression::best(), false);
        let mut frames = Vec::new();
        for len in [[fine.len()].repeat(1000), vec![fine.len() + 1]].concat() {
            let content = vec![0; len];
            let mut out = Vec::with_capacity(KIB);
            zlib.reset();
            zlib.compress_vec(&content, &mut out, FlushCompress::Sync).expect("a stream");
            out.truncate(out.len() - 4);
            frames.push(compressed(frame(BINARY, &out)));
        }
        let handler = Handler::on_message(|_, _| async { Ok(()) });
        let mut client = connect(&handler).await;
        let meter = Meter::start();
        for frame in &frames {
            client.write(frame).await;
        }
        assert!(matches!(client.next().await, Frame::Close(Some((1009, _)))));
        super::assert_bounded(&meter, 2 * MIB);
    });
}

#[test]
fn a_context_costs_what_the_documents_say() {
    for bits in 9..=15 {
        // As `Compression::max_memory` reckons.
        let cap = 244 * KIB + (4 << bits) + 48 * KIB;
        alone(async move {
            let options = Compression::new()
                .server_context_takeover(true)
                .client_context_takeover(true)
                .min_size(1)
                .max_memory(cap);
            let handler = echo().compression(options);
            // What the worker lends.
            echo_compressed(&mut connect(&handler).await).await;
            let mut client = connect(&handler).await;
            quiet().await;
            let meter = Meter::start();
            echo_compressed(&mut client).await;
            quiet().await;
            let each = meter.current();
            println!("{bits} bits: {} of {} KiB", each / KIB, cap / KIB);
            // The pipe's own buffers are counted, too.
            assert!(each <= cap + 2 * KIB && each > cap - 10 * KIB, "{each} of {cap}");
        });
    }
}

/// Sends a compressed message, and gets it back.
async fn echo_compressed(client: &mut Client) {
    // "Hello" (RFC 7692 §7.2.3.1).
    client.write(&compressed(frame(BINARY, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]))).await;
    assert!(matches!(client.next().await, Frame::Binary(_) | Frame::Odd(0xC2, _)));
}

#[test]
fn without_context_takeover_an_idle_connection_holds_little_more_than_without_compression() {
    const CONNECTIONS: usize = 100;
    alone(async {
        let hub = Hub::new();
        let handler = echo().compression(Compression::new().min_size(1)).hub(&hub);
        let mut first = connect(&handler).await;
        echo_compressed(&mut first).await;
        let (mut each, mut kept) = (Vec::new(), Vec::new());
        for agreed in [false, true] {
            kept.reserve(CONNECTIONS);
            let meter = Meter::start();
            for _ in 0..CONNECTIONS {
                let mut client =
                    if agreed { connect(&handler).await } else { super::connect(&handler).await };
                client.binary(b"Hello").await;
                assert!(matches!(client.next().await, Frame::Binary(_) | Frame::Odd(0xC2, _)));
                kept.push(client);
            }
            quiet().await;
            each.push(meter.current() / CONNECTIONS);
        }
        println!("{each:?} bytes per idle connection, without and with compression");
        assert!(each[1] <= each[0] + 256, "{each:?}");
    });
}
