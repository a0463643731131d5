//! A proxy in front of a Postgres that records how each connection begins.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// The first message of a client that wants TLS, on every connection.
pub(crate) const ASKS_FOR_TLS: u32 = 80_877_103;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    begun: Arc<Mutex<Vec<u32>>>,
}

impl Proxy {
    pub(crate) async fn before(server: Ipv4Addr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), begun: Arc::default() };
        let begun = proxy.begun.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, begun.clone()));
            }
        });
        proxy
    }

    /// The address of a database behind it, under this host name.
    pub(crate) fn url(&self, user: &str, host: &str, database: &str) -> String {
        format!("postgres://{user}@{host}:{}/{database}?hostaddr={}", self.address.port(), self.address.ip())
    }

    /// How many connections there were; each must have asked for TLS before it said anything else.
    pub(crate) fn all_encrypted(&self) -> usize {
        let begun = self.begun.lock().unwrap();
        assert!(begun.iter().all(|code| *code == ASKS_FOR_TLS), "not all asked for TLS: {begun:?}");
        begun.len()
    }
}

async fn carry(mut client: TcpStream, server: Ipv4Addr, begun: Arc<Mutex<Vec<u32>>>) -> std::io::Result<()> {
    let mut server = TcpStream::connect((server, 5432)).await?;
    // Its length, and a code that says what kind of request it is.
    let mut first = [0; 8];
    client.read_exact(&mut first).await?;
    begun.lock().unwrap().push(u32::from_be_bytes([first[4], first[5], first[6], first[7]]));
    server.write_all(&first).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
