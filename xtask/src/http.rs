//! The little of HTTP that tests need.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// One page of a server that is not far: status and body.
///
/// # Errors
/// When there is no answer within five seconds, or none that is HTTP, or more than 16 MiB.
pub fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    fetch(address, path).map_err(Error::io(format!("http://{address}{path}")))
}

fn fetch(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    const LIMIT: Duration = Duration::from_secs(5);
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 8192];
    loop {
        let length = stream.read(&mut part)?;
        if length == 0 {
            break;
        }
        answer.extend_from_slice(&part[..length]);
        if start.elapsed() > LIMIT || answer.len() > 16 << 20 {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::InvalidData)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or(std::io::ErrorKind::InvalidData)?;
    Ok((status, body.to_owned()))
}
