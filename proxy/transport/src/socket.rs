//! UDP sockets with batched receiving and segmented sending.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll, ready};

use quinn_udp::{RecvMeta, UdpSocketState};
use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Room for one received batch entry: what segmentation offload can join.
const ENTRY: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
}

/// Buffers for one batched receive; reused, so they cost nothing per datagram.
#[derive(Debug)]
pub(crate) struct RecvBuffers {
    bytes: Vec<u8>,
    metas: Vec<RecvMeta>,
}

impl RecvBuffers {
    pub(crate) fn new(entries: usize) -> Self {
        Self { bytes: vec![0; entries * ENTRY], metas: vec![RecvMeta::default(); entries] }
    }

    /// The first `count` entries: where from, to which address, and the datagrams.
    pub(crate) fn entries(&self, count: usize) -> impl Iterator<Item = Entry<'_>> {
        self.metas.iter().zip(self.bytes.chunks_exact(ENTRY)).take(count).map(|(meta, bytes)| {
            Entry {
                addr: meta.addr,
                local: meta.dst_ip,
                bytes: &bytes[..meta.len.min(ENTRY)],
                stride: meta.stride.max(1),
            }
        })
    }
}

/// Datagrams of one source received together; all are `stride` bytes but the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) addr: SocketAddr,
    pub(crate) local: Option<IpAddr>,
    pub(crate) bytes: &'a [u8],
    pub(crate) stride: usize,
}

impl<'a> Entry<'a> {
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.stride)
    }
}

const CLIENT_ENTRIES: usize = 8;

thread_local! {
    /// Client sockets are many and mostly idle: they share one set of buffers per thread.
    static RECV: RefCell<RecvBuffers> = RefCell::new(RecvBuffers::new(CLIENT_ENTRIES));
}

/// Runs `f` with this thread's receive buffers.
pub(crate) fn with_buffers<T>(f: impl FnOnce(&mut RecvBuffers) -> T) -> T {
    RECV.with_borrow_mut(f)
}

impl Socket {
    /// Takes a bound socket into the current runtime.
    pub(crate) fn new(socket: socket2::Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let io = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new((&io).into())?;
        Ok(Self { io, state })
    }

    /// A socket on a fresh port, connected so that the kernel drops what others send to it.
    pub(crate) fn client(addr: SocketAddr, receive_buffer: usize) -> io::Result<Self> {
        let socket =
            socket2::Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        let any: IpAddr = match addr {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        socket.bind(&SocketAddr::new(any, 0).into())?;
        socket.connect(&addr.into())?;
        // Best effort: the kernel's limits are the operator's.
        let _ = socket.set_recv_buffer_size(receive_buffer);
        Self::new(socket)
    }

    /// `count` sockets on one address; the kernel spreads sources over them.
    pub(crate) fn listen(
        addr: SocketAddr,
        count: usize,
        receive_buffer: usize,
        send_buffer: usize,
    ) -> io::Result<Vec<socket2::Socket>> {
        let mut addr = addr;
        let mut sockets = Vec::with_capacity(count);
        for index in 0..count {
            let socket =
                socket2::Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
            if addr.is_ipv6() {
                // Without the option `[::]` serves IPv4 as well, as the engine's servers do.
                socket.set_only_v6(false)?;
            }
            // The first socket binds without sharing, so an address in use by somebody else
            // is an error and not a share of their players.
            if index > 0 {
                socket.set_reuse_port(true)?;
            }
            socket.bind(&addr.into())?;
            if index == 0 {
                if count > 1 {
                    socket.set_reuse_port(true)?;
                }
                if let Some(bound) = socket.local_addr()?.as_socket() {
                    addr.set_port(bound.port());
                }
            }
            // Best effort: the kernel's limits are the operator's.
            let _ = socket.set_recv_buffer_size(receive_buffer);
            let _ = socket.set_send_buffer_size(send_buffer);
            sockets.push(socket);
        }
        Ok(sockets)
    }

    /// Datagrams one segmented send may carry.
    pub(crate) fn max_segments(&self) -> usize {
        self.state.max_gso_segments().max(1)
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }

    /// Receives a batch without waiting; the number of entries filled.
    pub(crate) fn try_recv(&self, buffers: &mut RecvBuffers) -> io::Result<usize> {
        let RecvBuffers { bytes, metas } = buffers;
        self.io.try_io(Interest::READABLE, || {
            let mut slices: [IoSliceMut<'_>; quinn_udp::BATCH_SIZE] =
                std::array::from_fn(|_| IoSliceMut::new(&mut []));
            let count = metas.len().min(slices.len());
            for (slice, chunk) in slices.iter_mut().zip(bytes.chunks_exact_mut(ENTRY)) {
                *slice = IoSliceMut::new(chunk);
            }
            self.state.recv((&self.io).into(), &mut slices[..count], &mut metas[..count])
        })
    }

    /// As [`try_recv`](Self::try_recv), waking `cx` when there is more. Only for sockets with
    /// a single reader.
    pub(crate) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut RecvBuffers,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            match self.try_recv(buffers) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Sends a run of datagrams without waiting.
    pub(crate) fn try_send(
        &self,
        destination: SocketAddr,
        source: Option<IpAddr>,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let send = |contents: &[u8], segment_size| {
            let transmit = quinn_udp::Transmit {
                destination,
                ecn: None,
                contents,
                segment_size,
                src_ip: source,
            };
            let send = || self.state.try_send((&self.io).into(), &transmit);
            // The socket nearly always takes it; asking the reactor first would refuse the
            // first datagram of a fresh socket. Only a refusal is made known to the reactor.
            match send() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.io.try_io(Interest::WRITABLE, send)
                }
                result => result,
            }
        };
        match send(contents, segment_size) {
            // A driver without segmentation offload: the state remembers, this run is cut here.
            Err(error) if segment_size.is_some() && error.kind() != io::ErrorKind::WouldBlock => {
                let size = segment_size.unwrap_or(contents.len()).max(1);
                contents.chunks(size).try_for_each(|datagram| send(datagram, None))
            }
            result => result,
        }
    }
}
