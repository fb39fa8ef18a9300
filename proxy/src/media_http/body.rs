//! What is sent, piece by piece: what a slow client has not taken yet stays on disk.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use prometheus::IntCounter;
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that are read from disk at once.
const CHUNK: usize = 64 * 1024;

/// The body of an answer. Counts what it gave away.
#[derive(Debug)]
pub(super) struct Body {
    source: Source,
    left: u64,
    sent: IntCounter,
}

#[derive(Debug)]
enum Source {
    Memory(Bytes),
    File(File),
}

impl Body {
    /// From memory.
    pub(super) fn of(bytes: Bytes, sent: &IntCounter) -> Self {
        Self { left: bytes.len() as u64, source: Source::Memory(bytes), sent: sent.clone() }
    }

    /// `length` bytes of a file, from where it stands.
    pub(super) fn of_file(file: std::fs::File, length: u64, sent: &IntCounter) -> Self {
        let mut file = File::from_std(file);
        file.set_max_buf_size(CHUNK);
        Self { source: Source::File(file), left: length, sent: sent.clone() }
    }

    /// Nothing.
    pub(super) fn empty(sent: &IntCounter) -> Self {
        Self::of(Bytes::new(), sent)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let piece = match &mut this.source {
            Source::Memory(bytes) => std::mem::take(bytes),
            Source::File(file) => match ready!(read(file, this.left, context)) {
                Ok(piece) => piece,
                Err(error) => return Poll::Ready(Some(Err(error))),
            },
        };
        this.left -= piece.len() as u64;
        this.sent.inc_by(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads at most `left` bytes. A file that ends before is an error: the length has been promised.
fn read(file: &mut File, left: u64, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    let size = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
    let mut bytes = vec![0; size];
    let mut buffer = ReadBuf::new(&mut bytes);
    ready!(Pin::new(file).poll_read(context, &mut buffer))?;
    let filled = buffer.filled().len();
    if filled == 0 {
        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
    }
    bytes.truncate(filled);
    Poll::Ready(Ok(bytes.into()))
}
