//! What Mover's packets to a server pass through, and where they can be held back.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The name of a socket of Postgres in its directory.
const SOCKET: &str = ".s.PGSQL.5432";

/// A socket of its own that leads to that of a server.
pub(crate) struct Link {
    dir: PathBuf,
    held: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Link {
    /// Leads to the socket in the directory `server`. Its own is among the temporary files: paths of sockets are short.
    pub(crate) fn open(server: &Path) -> io::Result<Self> {
        let name = format!("mover-chaos-link-{:016x}", rand::random::<u64>());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir)?;
        let listener = UnixListener::bind(dir.join(SOCKET))?;
        let (held, is_held) = watch::channel(false);
        let task = tokio::spawn(lead(listener, server.join(SOCKET), is_held));
        Ok(Self { dir, held, task })
    }

    /// The directory of its socket.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// From now on packets wait, in both directions, or do not wait any more. None is lost.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        // What cannot be removed stays: an empty directory.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

async fn lead(listener: UnixListener, server: PathBuf, held: watch::Receiver<bool>) {
    // Dropped with the task, which closes all connections.
    let mut connections = JoinSet::new();
    while let Ok((mover, _)) = listener.accept().await {
        connections.spawn(connect(mover, server.clone(), held.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// A server that is down, or that closes the connection, closes Mover's end too.
async fn connect(mover: UnixStream, server: PathBuf, held: watch::Receiver<bool>) {
    let Ok(server) = UnixStream::connect(server).await else { return };
    let (from_mover, to_mover) = mover.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = carry(from_mover, to_server, held.clone()) => {}
        () = carry(from_server, to_mover, held) => {}
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut held: watch::Receiver<bool>) {
    let mut packet = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut packet).await else { return };
        if held.wait_for(|held| !held).await.is_err() || to.write_all(&packet[..length]).await.is_err() {
            return;
        }
    }
}
