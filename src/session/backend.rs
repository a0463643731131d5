//! Which process of the server a connection belongs to, as the server announced it when the connection was opened.
//!
//! The driver keeps this number for cancel requests alone, and shows it nowhere else. So we have it write a cancel request, into
//! memory, and read the number there. Nothing is sent to a server.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Client;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Length, code, process, key: four numbers of four bytes.
const CANCEL_REQUEST_BYTES: usize = 16;
const CANCEL_REQUEST_CODE: [u8; 4] = 80_877_102_i32.to_be_bytes();

/// The number of the process; `None` if the server announced none.
pub(super) fn announced(client: &Client) -> Option<i32> {
    let mut memory = Memory::default();
    // Memory is always ready.
    client.cancel_token().cancel_query_raw(&mut memory, NoEncryption).now_or_never()?.ok()?;
    let request = memory.written.last_chunk::<CANCEL_REQUEST_BYTES>()?;
    let (code, process) = (request.get(4..8)?, request.get(8..12)?);
    let process = i32::from_be_bytes(process.try_into().ok()?);
    (code == CANCEL_REQUEST_CODE && process != 0).then_some(process)
}

/// Keeps what is written, and grants the request for TLS.
#[derive(Debug, Default)]
struct Memory {
    written: Vec<u8>,
}

impl AsyncRead for Memory {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        buffer.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The request stays readable.
struct NoEncryption;

impl<'a> TlsConnect<&'a mut Memory> for NoEncryption {
    type Stream = Unencrypted<'a>;
    type Error = Infallible;
    type Future = Ready<Result<Unencrypted<'a>, Infallible>>;

    fn connect(self, memory: &'a mut Memory) -> Self::Future {
        ready(Ok(Unencrypted(memory)))
    }
}

struct Unencrypted<'a>(&'a mut Memory);

impl TlsStream for Unencrypted<'_> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Unencrypted<'_> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Unencrypted<'_> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_shutdown(context)
    }
}
