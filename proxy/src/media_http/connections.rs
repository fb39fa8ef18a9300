//! Who may connect, and how long they may be slow.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::metrics::Metrics;

/// One address may hold this part of all connections: enough for a reverse proxy in front, and
/// nobody can keep all others out alone.
const SHARE: usize = 4;

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There are too many.
    ConnectionLimit,
    /// There are too many from its address.
    SourceLimit,
}

impl Refusal {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionLimit => "connection_limit",
            Self::SourceLimit => "source_limit",
        }
    }
}

/// Counts connections, all of them and those of each address.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// A connection that was let in; it is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Guest {
    connections: Arc<Connections>,
    source: IpAddr,
    gauge: IntGauge,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Mutex::default() }
    }

    /// Lets a connection from an address in.
    pub(super) fn enter(self: &Arc<Self>, ip: IpAddr, metrics: &Metrics) -> Result<Guest, Refusal> {
        let source = network(ip);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.most {
            return Err(Refusal::ConnectionLimit);
        }
        let of_source = open.by_source.get(&source).copied().unwrap_or(0);
        if of_source >= self.most.div_ceil(SHARE) {
            return Err(Refusal::SourceLimit);
        }
        open.all += 1;
        open.by_source.insert(source, of_source + 1);
        let gauge = metrics.media_http_connections.clone();
        gauge.inc();
        Ok(Guest { connections: self.clone(), source, gauge })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(count) = open.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                open.by_source.remove(&self.source);
            }
        }
        self.gauge.dec();
    }
}

/// What one household has: an address, or the first 64 bits of an IPv6 one.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A stream whose reader must not stand still for too long.
#[derive(Debug)]
pub(super) struct Patient {
    patience: Duration,
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Patient {
    /// Fails a write once the other side has taken nothing for as long as `patience`.
    pub(super) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { patience, stream, end: Box::pin(tokio::time::sleep(patience)), waiting: false }
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.waiting = false;
            return result;
        }
        if !self.waiting {
            self.waiting = true;
            self.end.as_mut().reset(Instant::now() + self.patience);
        }
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(context, data);
        this.watch(context, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(context, data);
        this.watch(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(context);
        this.watch(context, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_shutdown(context);
        this.watch(context, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn no_address_takes_all_connections_and_all_have_a_limit() {
        let metrics = Metrics::new().unwrap();
        let connections = Arc::new(Connections::new(8));
        let enter = |text: &str| connections.enter(ip(text), &metrics);
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("::ffff:192.0.2.1").unwrap();
        assert_eq!(enter("192.0.2.1").unwrap_err(), Refusal::SourceLimit);
        drop(first);
        let _again = enter("192.0.2.1").unwrap();
        let _six = [
            enter("2001:db8::1").unwrap(),
            enter("2001:db8::2:0:0:1").unwrap(),
            enter("192.0.2.2").unwrap(),
            enter("192.0.2.3").unwrap(),
            enter("192.0.2.4").unwrap(),
        ];
        assert_eq!(enter("2001:db8::3").unwrap_err(), Refusal::SourceLimit);
        let last = enter("192.0.2.5").unwrap();
        assert_eq!(enter("192.0.2.6").unwrap_err(), Refusal::ConnectionLimit);
        assert_eq!(metrics.media_http_connections.get(), 8);
        drop(last);
        assert_eq!(metrics.media_http_connections.get(), 7);
    }

    #[tokio::test]
    async fn who_takes_nothing_is_left() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (writer, _) = listener.accept().await.unwrap();
        let patience = Duration::from_millis(200);
        let mut patient = Patient::new(writer, patience);
        let begun = Instant::now();
        let error = patient.write_all(&vec![0; 64 * 1024 * 1024]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= patience, "{:?}", begun.elapsed());
        drop(reader);
    }
}
