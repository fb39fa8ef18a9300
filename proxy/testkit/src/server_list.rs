//! A public server list: it checks announcements as `luanti-org/serverlist` does, asks announced
//! servers for a sign of life, and forgets those who say nothing for long.

mod checks;
mod web;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long an entry stays after the last word about it.
const EXPIRY: Duration = Duration::from_secs(330);

/// How long a server may take to answer the ping.
const PING: Duration = Duration::from_secs(3);

/// The text with which the list says that it has no such entry.
const UNKNOWN: &str = "Server to update not found.";

/// An announcement and what was answered.
#[derive(Debug, Clone)]
pub struct Announced {
    /// The field `json`; null if it could not be read.
    pub json: Value,
    /// The status of the answer.
    pub status: u16,
    /// The text of the answer.
    pub text: String,
}

#[derive(Debug, Default)]
struct State {
    /// By the requester's address and the announced port.
    entries: BTreeMap<(IpAddr, u16), Entry>,
    /// What is wrong with the last announcement, to be said with the next.
    errors: HashMap<(IpAddr, u16), String>,
    announced: Vec<Announced>,
}

#[derive(Debug)]
struct Entry {
    json: Value,
    updated: Instant,
}

/// A running list. Dropping it ends it, with what it knows.
#[derive(Debug)]
pub struct ServerList {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ServerList {
    /// A list on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start() -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// A list that knows nothing, at this address.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start_at(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        let addr = listener.local_addr()?;
        let (state, stop): (Arc<Mutex<State>>, Arc<AtomicBool>) = Default::default();
        let (shared, stopping) = (Arc::clone(&state), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("server-list".into()).spawn(move || {
            while let Ok((stream, from)) = listener.accept() {
                if stopping.load(Ordering::Relaxed) {
                    break;
                }
                web::serve(stream, |json| announced(&shared, from.ip(), json));
            }
        })?;
        Ok(Self { addr, state, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What engines call `serverlist_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Everything that was announced, the refused included.
    pub fn announced(&self) -> Vec<Announced> {
        self.lock().announced.clone()
    }

    /// The servers that are shown, by address and port.
    pub fn entries(&self) -> Vec<Value> {
        let mut state = self.lock();
        state.entries.retain(|_, entry| entry.updated.elapsed() < EXPIRY);
        state.entries.values().map(|entry| entry.json.clone()).collect()
    }

    /// Forgets everybody, as a list does that was started anew.
    pub fn forget(&self) {
        self.lock().entries.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for ServerList {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread from its wait.
        let _ = std::net::TcpStream::connect(self.addr);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is answered to an announcement, and what is to be done after that.
fn announced(
    state: &Arc<Mutex<State>>,
    from: IpAddr,
    json: Result<Value, (u16, String)>,
) -> (u16, String) {
    let (json, (status, text)) = match json {
        Ok(json) => {
            let answer = filed(state, from, &json);
            (json, answer)
        }
        Err(refused) => (Value::Null, refused),
    };
    lock(state).announced.push(Announced { json, status, text: text.clone() });
    (status, text)
}

fn filed(state: &Arc<Mutex<State>>, from: IpAddr, json: &Value) -> (u16, String) {
    let port = match checks::check(json) {
        Ok(port) => port,
        Err(what) => return (400, what),
    };
    let key = (from, port);
    let mut list = lock(state);
    list.entries.retain(|_, entry| entry.updated.elapsed() < EXPIRY);
    match json["action"].as_str() {
        Some("delete") => {
            list.entries.remove(&key);
        }
        Some("update") => {
            let uptime = |json: &Value| json["uptime"].as_u64();
            let same = |old: &&mut Entry| {
                old.json["address"] == json["address"] && uptime(&old.json) <= uptime(json)
            };
            let Some(entry) = list.entries.get_mut(&key).filter(same) else {
                return (400, UNKNOWN.into());
            };
            if let (Value::Object(old), Value::Object(new)) = (&mut entry.json, json) {
                old.extend(new.clone());
            }
            entry.updated = Instant::now();
        }
        _ => {
            let (state, json) = (Arc::clone(state), json.clone());
            std::thread::spawn(move || look(&state, key, json));
        }
    }
    match list.errors.remove(&key) {
        Some(error) => (409, format!("Request has been filed, but the previous one: {error}")),
        None => (202, "Request has been filed.".into()),
    }
}

/// Shows a server that lives where it says to be.
fn look(state: &Mutex<State>, key: (IpAddr, u16), json: Value) {
    let found = checks::address(&json, key.0).and_then(|ip| ping((ip, key.1).into()));
    let mut list = lock(state);
    match found {
        Ok(()) => {
            list.entries.insert(key, Entry { json, updated: Instant::now() });
        }
        Err(what) => {
            list.errors.insert(key, what);
        }
    }
}

/// Asks for a peer id, as a client's first packet does, and gives it back. Nothing else may come
/// first.
fn ping(server: SocketAddr) -> Result<(), String> {
    let failed = |error: io::Error| format!("no answer to the ping of {server}: {error}");
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(failed)?;
    socket.connect(server).map_err(failed)?;
    socket.set_read_timeout(Some(PING)).map_err(failed)?;
    socket.send(b"\x4f\x45\x74\x03\x00\x00\x00\x01").map_err(failed)?;
    let mut answer = [0; 1024];
    let length = socket.recv(&mut answer).map_err(failed)?;
    let answer = &answer[..length];
    if answer.len() < 14 || answer[4..6] != [0, 1] || answer[11] != 1 {
        return Err(format!("a wrong answer to the ping of {server}: {answer:02x?}"));
    }
    let goodbye = [b"\x4f\x45\x74\x03", &answer[12..14], b"\x00\x00\x03"].concat();
    socket.send(&goodbye).map_err(failed)?;
    Ok(())
}
