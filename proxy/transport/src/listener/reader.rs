//! The task that reads one socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use super::peers::{Action, NewPeer, Table};
use super::{Shared, lock};
use crate::half_open::Proven;
use crate::socket::{Entry, RecvBuffers, Socket};
use crate::stats::DropReason;

/// Received datagrams are copied into blocks of this size, so that an allocation serves many
/// and the kernel's view of the receive buffers can stay large.
const BLOCK: usize = 64 << 10;
/// Batches read in a row before other tasks get a turn.
const BATCHES: usize = 16;
const SWEEP: Duration = Duration::from_secs(1);
/// Pause after an error of the socket, which must not become a busy loop.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

struct Reader {
    socket: Arc<Socket>,
    shared: Arc<Shared>,
    table: Arc<Mutex<Table>>,
    /// Gone once the listener is: a peer that waits in it would hold its place for ever.
    opened: Option<mpsc::Sender<NewPeer>>,
    /// A wildcard socket has to answer from the address it was talked to.
    wildcard: bool,
    block: BytesMut,
}

pub(super) fn spawn(
    socket: Arc<Socket>,
    shared: Arc<Shared>,
    opened: mpsc::Sender<NewPeer>,
    addr: SocketAddr,
) {
    let reader = Reader {
        socket,
        table: Arc::new(Mutex::new(Table::new(&shared))),
        shared,
        opened: Some(opened),
        wildcard: addr.ip().is_unspecified(),
        block: BytesMut::new(),
    };
    tokio::spawn(reader.run());
}

impl Reader {
    async fn run(mut self) {
        let mut buffers = RecvBuffers::new(quinn_udp::BATCH_SIZE);
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let shared = self.shared.clone();
            let changed = shared.changed.notified();
            tokio::pin!(changed);
            // Registered before the check, or a change in between would be missed.
            changed.as_mut().enable();
            if shared.is_closing() {
                self.opened = None;
                if lock(&self.table).is_empty() {
                    return;
                }
            }
            tokio::select! {
                ready = self.socket.readable() => {
                    let result = ready.and_then(|()| self.read(&mut buffers));
                    if let Err(error) = result {
                        tracing::debug!(%error, "receiving failed");
                        tokio::time::sleep(ERROR_PAUSE).await;
                    }
                }
                _ = sweep.tick() => {
                    let now = Instant::now();
                    lock(&self.table).expire(&self.shared, now);
                    lock(&self.shared.admission).forget_idle(now);
                }
                () = changed => {}
            }
        }
    }

    fn read(&mut self, buffers: &mut RecvBuffers) -> io::Result<()> {
        for _ in 0..BATCHES {
            match self.socket.try_recv(buffers) {
                Ok(count) => self.dispatch(buffers, count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, buffers: &RecvBuffers, count: usize) {
        let table = self.table.clone();
        let mut table = lock(&table);
        let (mut datagrams, mut bytes) = (0, 0);
        for entry in buffers.entries(count) {
            datagrams += entry.bytes.len().div_ceil(entry.stride) as u64;
            bytes += entry.bytes.len() as u64;
            self.handle(&mut table, entry);
        }
        self.shared.stats.on_received(datagrams, bytes);
    }

    fn handle(&mut self, table: &mut Table, entry: Entry<'_>) {
        let Self { shared, block, .. } = self;
        if table.deliver(shared, entry.addr, entry.bytes, entry.stride, |bytes| keep(block, bytes))
        {
            return;
        }
        let now = Instant::now();
        let local = entry.local.filter(|_| self.wildcard);
        for datagram in entry.datagrams() {
            let Self { shared, block, .. } = self;
            // An earlier datagram of the batch may have opened the peer.
            let stride = datagram.len().max(1);
            if table.deliver(shared, entry.addr, datagram, stride, |bytes| keep(block, bytes)) {
                continue;
            }
            match table.handle(shared, now, entry.addr, datagram) {
                Action::Nothing => {}
                Action::Reply(reply) => self.reply(entry.addr, local, &reply),
                Action::Opened(proven) => self.open(table, entry.addr, local, proven, datagram),
            }
        }
    }

    fn reply(&self, addr: SocketAddr, local: Option<IpAddr>, reply: &[u8]) {
        match self.socket.try_send(addr, local, reply, None) {
            Ok(()) => self.shared.stats.on_sent(1, reply.len() as u64),
            Err(_) => self.shared.stats.on_send_error(),
        }
    }

    fn open(
        &mut self,
        table: &mut Table,
        addr: SocketAddr,
        local: Option<IpAddr>,
        proven: Proven,
        proof: &[u8],
    ) {
        let Some(Ok(permit)) = self.opened.as_ref().map(mpsc::Sender::try_reserve) else {
            self.shared.stats.on_dropped(DropReason::PeerLimit, 1);
            return;
        };
        let peer = table.open(&self.table, &self.shared, &self.socket, addr, local, proven);
        if let Some(peer) = peer {
            let (shared, block) = (&self.shared, &mut self.block);
            table.deliver(shared, addr, proof, proof.len(), |bytes| keep(block, bytes));
            // Last, so that whoever accepts it finds everything it sent.
            permit.send(peer);
        }
    }
}

/// Copies `bytes` into the current block, or a fresh one when it is full.
fn keep(block: &mut BytesMut, bytes: &[u8]) -> Bytes {
    if block.capacity() < bytes.len() {
        block.reserve(BLOCK.max(bytes.len()));
    }
    block.extend_from_slice(bytes);
    block.split().freeze()
}
