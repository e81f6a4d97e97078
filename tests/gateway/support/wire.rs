//! An upstream at the level of bytes, for behaviour that no HTTP server has.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the upstream does with a connection after it received a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Send these bytes, then close the connection.
    Say(Vec<u8>),
    /// Wait until the peer closes the connection.
    Hang,
    /// Reset the connection.
    Reset,
    /// Send these bytes, then reset the connection.
    SayThenReset(Vec<u8>),
    /// Send the head, then the body at one byte per second.
    Drip(Vec<u8>),
}

/// A complete response.
pub fn answer(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A listener that does the same with every connection. It stops when it goes out of scope.
pub struct Wire {
    pub base: String,
    /// How many requests were received, and how many of their connections the peer has closed.
    counts: watch::Sender<(usize, usize)>,
    _stop: DropGuard,
}

impl Wire {
    pub async fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (counts, _) = watch::channel((0, 0));
        let (act, shared, shutdown) = (Arc::new(act), counts.clone(), CancellationToken::new());
        let stopped = shutdown.clone();
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&act), shared.clone()));
            }
        }));
        Self { base, counts, _stop: shutdown.drop_guard() }
    }

    /// How many requests were received.
    pub fn calls(&self) -> usize {
        self.counts.borrow().0
    }

    /// How many connections the peer has closed.
    pub fn gone(&self) -> usize {
        self.counts.borrow().1
    }

    /// Waits until so many requests were received and so many of their connections were closed.
    pub async fn until(&self, calls: usize, gone: usize) {
        let mut counts = self.counts.subscribe();
        let reached = counts.wait_for(|counts| counts.0 >= calls && counts.1 >= gone);
        tokio::time::timeout(Duration::from_secs(30), reached).await.expect("it comes to that").unwrap();
    }
}

async fn serve(mut stream: TcpStream, act: Arc<Act>, counts: watch::Sender<(usize, usize)>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut some = [0; 4096];
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return,
            Ok(length) => head.extend_from_slice(&some[..length]),
        }
    }
    counts.send_modify(|(calls, _)| *calls += 1);
    match &*act {
        Act::Say(bytes) => {
            let _gone = stream.write_all(bytes).await;
            let _gone = stream.shutdown().await;
        }
        Act::Hang => {}
        Act::Reset => return stream.set_zero_linger().unwrap(),
        Act::SayThenReset(bytes) => {
            let _gone = stream.write_all(bytes).await;
            // A reset can overtake the bytes that were sent before.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return stream.set_zero_linger().unwrap();
        }
        Act::Drip(body) => {
            let whole = answer("application/json", body);
            let (head, body) = whole.split_at(whole.len() - body.len());
            let _gone = stream.write_all(head).await;
            for byte in body {
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {}
    counts.send_modify(|(_, gone)| *gone += 1);
}

/// The body as a gzip stream of one stored block (RFC 1951, section 3.2.4; RFC 1952).
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    let crc = !body.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(body);
    stream.extend(crc.to_le_bytes());
    stream.extend(u32::from(length).to_le_bytes());
    stream
}
