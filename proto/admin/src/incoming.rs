//! Connections, bounded in number, with the names of their certificates.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::tls::{self, Tls};

/// Connections at once.
const CONNECTIONS: usize = 256;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Pause after the system refused a connection: it is short of something.
const PAUSE: Duration = Duration::from_millis(100);

/// What is known of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Names in the client's certificate, if it has shown one.
    pub names: Arc<[String]>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that may begin.
pub struct Connection {
    stream: Box<dyn Stream>,
    peer: Peer,
    open: IntGauge,
    _place: OwnedSemaphorePermit,
}

/// Accepts connections until the receiver is dropped, at most 256 at once; `open` counts them.
/// Those without a TLS handshake within 10 s, where one is asked for, are dropped.
pub fn accept(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    open: IntGauge,
) -> ReceiverStream<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = sender.closed() => return,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!(most = CONNECTIONS, "too many connections");
                continue;
            };
            let (tls, sender, open) = (tls.clone(), sender.clone(), open.clone());
            tokio::spawn(async move {
                match greet(stream, tls.as_deref()).await {
                    Ok((stream, names)) => {
                        open.inc();
                        let peer = Peer { names: names.into() };
                        let connection = Connection { stream, peer, open, _place: place };
                        // When the server is gone, so is the connection.
                        let _ = sender.send(Ok(connection)).await;
                    }
                    Err(error) => refused(address, &error),
                }
            });
        }
    });
    ReceiverStream::new(receiver)
}

fn refused(address: SocketAddr, error: &io::Error) {
    tracing::debug!(%address, %error, "a connection was not made");
}

async fn greet(stream: TcpStream, tls: Option<&Tls>) -> io::Result<(Box<dyn Stream>, Vec<String>)> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok((Box::new(stream), Vec::new())) };
    let shaken = tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(stream)).await;
    let stream = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let names = shown.map(tls::names).unwrap_or_default();
    Ok((Box::new(stream), names))
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
