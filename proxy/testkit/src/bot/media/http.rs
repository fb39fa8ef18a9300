//! Fetching media over HTTP as the engine does (`client/clientmedia.cpp`): the list of hashes of
//! each server, then the files, several connections at a time.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::world::{hex, sha1};

/// Connections at a time (`curl_parallel_limit`).
const PARALLEL: usize = 8;

/// Limit for one request (`curl_timeout`).
const TIMEOUT: Duration = Duration::from_secs(20);

/// Longest answer.
const ANSWER: usize = 32 * 1024 * 1024;

/// Longest line of a head.
const LINE: u64 = 8192;

type Hash = [u8; 20];

/// Fetches what it can of `wanted` from these base URLs, separated by commas. Gives the hashes
/// that came with the right content, and its length.
pub(in crate::bot) async fn fetch(urls: &str, wanted: &HashSet<Hash>) -> HashMap<Hash, u64> {
    let mut got = HashMap::new();
    for url in urls.split(',').map(str::trim) {
        let Some(server) = Server::parse(url) else { continue };
        let Ok(listed) = server.index().await else { continue };
        let missing =
            wanted.iter().filter(|hash| listed.contains(*hash) && !got.contains_key(*hash));
        let queue = Arc::new(Mutex::new(missing.copied().collect::<Vec<Hash>>()));
        let mut workers = JoinSet::new();
        for _ in 0..PARALLEL {
            workers.spawn(work(server.clone(), queue.clone()));
        }
        while let Some(result) = workers.join_next().await {
            got.extend(result.unwrap_or_default());
        }
    }
    got
}

/// Fetches files over one connection until none are left.
async fn work(server: Server, queue: Arc<Mutex<Vec<Hash>>>) -> HashMap<Hash, u64> {
    let mut got = HashMap::new();
    let mut connection = None;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(hash) = next else { return got };
        match server.get(&mut connection, &hex(&hash)).await {
            Ok(content) if sha1(&content) == hash => {
                got.insert(hash, content.len() as u64);
            }
            // It is asked for over UDP.
            Ok(_) | Err(_) => connection = None,
        }
    }
}

/// A base URL, taken apart.
#[derive(Debug, Clone)]
struct Server {
    host: String,
    path: String,
}

impl Server {
    fn parse(url: &str) -> Option<Self> {
        let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
        Some(Self { host: host.to_owned(), path: format!("/{path}") })
    }

    async fn index(&self) -> io::Result<HashSet<Hash>> {
        let index = self.get(&mut None, "index.mth").await?;
        let hashes = index.strip_prefix(b"MTHS\0\x01").ok_or(io::ErrorKind::InvalidData)?;
        Ok(hashes.chunks_exact(20).filter_map(|hash| hash.try_into().ok()).collect())
    }

    /// One file, over a connection that is made if there is none.
    async fn get(
        &self,
        connection: &mut Option<BufReader<TcpStream>>,
        name: &str,
    ) -> io::Result<Vec<u8>> {
        let exchange = async {
            let stream = match connection {
                Some(stream) => stream,
                None => {
                    let stream = TcpStream::connect(&self.host).await?;
                    stream.set_nodelay(true)?;
                    connection.insert(BufReader::new(stream))
                }
            };
            let (path, host) = (&self.path, &self.host);
            let request = format!("GET {path}{name} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            read_answer(stream).await
        };
        timeout(TIMEOUT, exchange).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Reads an answer that says how long it is.
async fn read_answer(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let status = read_line(stream).await?;
    let mut length = None;
    loop {
        let line = read_line(stream).await?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let length = length.filter(|length| *length <= ANSWER).ok_or_else(bad)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    if status.split(' ').nth(1) == Some("200") { Ok(body) } else { Err(bad()) }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.take(LINE).read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
