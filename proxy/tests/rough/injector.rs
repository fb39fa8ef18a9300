//! Datagrams of our own making in the name of a bot that is logged in.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Where the sender's id stands in a datagram (`network/mtp/internal.h`, BASE_HEADER_SIZE).
const PEER: std::ops::Range<usize> = 4..6;

/// Length of the header that every datagram begins with.
const HEADER: usize = 7;

/// Passes a bot's datagrams through a socket from which others can be sent as well.
pub(crate) struct Injector {
    addr: SocketAddr,
    back: Arc<UdpSocket>,
    peer: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

impl Injector {
    pub(crate) async fn open(target: SocketAddr) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let back = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        back.connect(target).await.unwrap();
        let addr = front.local_addr().unwrap();
        let peer = Arc::new(AtomicU16::new(0));
        let task = tokio::spawn(pass(front, back.clone(), peer.clone()));
        Self { addr, back, peer, task }
    }

    /// Where the bot connects.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends a datagram as if the bot had.
    pub(crate) async fn inject(&self, mut datagram: Vec<u8>) {
        if let Some(peer) = datagram.get_mut(PEER) {
            peer.copy_from_slice(&self.peer.load(Ordering::Relaxed).to_be_bytes());
        }
        // A refused datagram is the proxy's end, which the test notices by itself.
        let _ = self.back.send(&datagram).await;
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(front: UdpSocket, back: Arc<UdpSocket>, peer: Arc<AtomicU16>) {
    let (mut up, mut down) = ([0; 2048], [0; 2048]);
    let mut client = None;
    loop {
        tokio::select! {
            Ok((len, from)) = front.recv_from(&mut up) => {
                client = Some(from);
                if let Some(id) = up[..len].get(PEER) {
                    peer.store(u16::from_be_bytes([id[0], id[1]]), Ordering::Relaxed);
                }
                let _ = back.send(&up[..len]).await;
            }
            Ok(len) = back.recv(&mut down) => {
                if let Some(client) = client {
                    let _ = front.send_to(&down[..len], client).await;
                }
            }
        }
    }
}

/// True for a goodbye, bare or inside a reliable packet: it would only end the visit.
pub(crate) fn is_goodbye(datagram: &[u8]) -> bool {
    let mut at = HEADER;
    while datagram.get(at) == Some(&3) {
        at += 3;
    }
    datagram.get(at) == Some(&0) && datagram.get(at + 1) == Some(&3)
}

/// Gives a reliable packet another number.
pub(crate) fn renumber(datagram: &mut [u8], number: u16) {
    if let [_, _, _, _, _, _, _, 3, high, low, ..] = datagram {
        [*high, *low] = number.to_be_bytes();
    }
}
