//! A game server that goes as far as the media.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mesegate_backend::{Credentials, Definitions};
use mesegate_protocol::content::{Media, MediaFile, RequestMedia, bunches, frame};
use mesegate_protocol::login::server::{AwaitInit, AwaitInit2, AwaitReady, Violation};
use mesegate_protocol::login::{AccessDenied, AuthAccept, DenyCode, Step};
use mesegate_protocol::{ProtocolVersion, split_command, to_client};
use mesegate_transport::{Link, ListenConfig, Listener};

use super::World;
use crate::codec;
use crate::library::ServerSpec;

/// What the server is and what happened to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene {
    pub(crate) world: World,
    /// Files that are announced only to clients of a language.
    pub(crate) translations: HashMap<&'static str, (&'static str, Vec<u8>)>,
    /// Newest protocol version; 0 = 53.
    pub(crate) newest: u16,
    /// Refuses clients that offer less than `newest`.
    pub(crate) strict: bool,
    /// Announced, but never delivered.
    pub(crate) withheld: Vec<&'static str>,
    /// Delivered with another content than announced.
    pub(crate) altered: HashMap<&'static str, Vec<u8>>,
    /// Changes what is sent at last.
    pub(crate) spoil: Option<fn(&mut Definitions)>,
    /// Languages of the clients that got as far as the definitions.
    pub(crate) visits: Vec<String>,
    /// Names that were asked for.
    pub(crate) requested: Vec<String>,
}

impl Scene {
    fn newest(&self) -> ProtocolVersion {
        ProtocolVersion(if self.newest == 0 { 53 } else { self.newest })
    }

    /// The world as clients of a language see it.
    fn world_for(&self, language: &str) -> World {
        let mut world = self.world.clone();
        world.media.extend(self.translations.get(language).cloned());
        world
    }

    pub(crate) fn definitions(&self, version: ProtocolVersion, language: &str) -> Definitions {
        let mut definitions = self.world_for(language).definitions(version);
        if let Some(spoil) = self.spoil {
            spoil(&mut definitions);
        }
        definitions
    }
}

/// A running server; dropping it closes its port without a word.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    scene: Arc<Mutex<Scene>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    pub(crate) fn start(scene: Scene) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), scene)
    }

    pub(crate) fn start_at(address: SocketAddr, scene: Scene) -> Self {
        let mut listener = Listener::bind(address, 1, ListenConfig::default()).unwrap();
        let address = listener.local_addr();
        let scene = Arc::new(Mutex::new(scene));
        let shared = scene.clone();
        let task = tokio::spawn(async move {
            let mut peers = tokio::task::JoinSet::new();
            while let Some(link) = listener.accept().await {
                peers.spawn(serve(link, shared.clone()));
            }
        });
        Self { address, scene, task }
    }

    /// Stops and waits until the port is free.
    pub(crate) async fn stop(mut self) -> SocketAddr {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.address
    }

    pub(crate) fn spec(&self, name: &str) -> ServerSpec {
        ServerSpec {
            name: name.to_owned(),
            address: self.address.into(),
            credentials: Credentials::Secret("secret".to_owned()),
            pool: None,
            probe: None,
        }
    }

    pub(crate) fn scene<T>(&self, look: impl FnOnce(&mut Scene) -> T) -> T {
        look(&mut self.scene.lock().unwrap())
    }
}

enum Peer {
    Init(AwaitInit),
    Register(mesegate_protocol::login::server::AwaitFirstSrp),
    Init2(AwaitInit2),
    Ready(AwaitReady),
}

/// Accepts every name as new, whatever its password.
async fn serve(mut link: Link, scene: Arc<Mutex<Scene>>) {
    let mut peer = Peer::Init(AwaitInit::new(scene.lock().unwrap().newest()));
    while link.closed().is_none() {
        while let Some(message) = link.recv() {
            match step(peer, &message.data, &mut link, &scene) {
                Ok(next) => peer = next,
                Err(denied) => {
                    send(&mut link, 0, denied.encode());
                    link.close_after_flush(std::time::Duration::from_secs(1));
                    while link.closed().is_none() {
                        link.flush();
                        link.drive().await;
                    }
                    return;
                }
            }
        }
        link.flush();
        link.drive().await;
    }
}

fn send(link: &mut Link, channel: u8, message: Bytes) {
    let _ = link.send(channel, true, message);
}

fn step(
    peer: Peer,
    message: &Bytes,
    link: &mut Link,
    scene: &Mutex<Scene>,
) -> Result<Peer, AccessDenied> {
    let mut scene = scene.lock().unwrap();
    let refuse = Violation::denial;
    Ok(match peer {
        Peer::Init(state) => match state.on_message(message).map_err(refuse)? {
            Step::Stay(state) | Step::PassOn(state) => Peer::Init(state),
            Step::Next(offer) => {
                if scene.strict && offer.visitor().client_max < scene.newest().0 {
                    return Err(AccessDenied::new(DenyCode::WrongVersion));
                }
                let (state, hello) = offer.first_srp();
                send(link, 0, hello);
                Peer::Register(state)
            }
        },
        Peer::Register(state) => match state.on_message(message).map_err(refuse)? {
            Step::Stay(state) | Step::PassOn(state) => Peer::Register(state),
            Step::Next(registration) => {
                link.lift_limits();
                let (state, accept) = registration.accept(&AuthAccept::standard());
                send(link, 0, accept);
                Peer::Init2(state)
            }
        },
        Peer::Init2(state) => match state.on_message(message).map_err(refuse)? {
            Step::Stay(state) | Step::PassOn(state) => Peer::Init2(state),
            Step::Next(state) => {
                let (version, language) = (state.visitor().version, state.language().to_owned());
                let definitions = scene.definitions(version, &language);
                scene.visits.push(language);
                send(link, 0, codec::message(to_client::ITEMDEF, &definitions.item_def));
                send(link, 0, codec::message(to_client::NODEDEF, &definitions.node_def));
                send(link, 0, codec::message(to_client::ANNOUNCE_MEDIA, &definitions.announce));
                Peer::Ready(state)
            }
        },
        Peer::Ready(state) => {
            let (version, language) = (state.visitor().version, state.language().to_owned());
            match state.on_message(message).map_err(refuse)? {
                Step::Stay(state) => Peer::Ready(state),
                Step::PassOn(state) => {
                    let (_, body) = split_command(message).unwrap();
                    let names = RequestMedia::decode(body).unwrap().names;
                    deliver(&scene, &language, version, &names, link);
                    scene.requested.extend(names);
                    Peer::Ready(state)
                }
                Step::Next(_) => panic!("the library never becomes ready"),
            }
        }
    })
}

fn deliver(
    scene: &Scene,
    language: &str,
    version: ProtocolVersion,
    names: &[String],
    link: &mut Link,
) {
    let world = scene.world_for(language);
    let mut files = Vec::new();
    for name in names.iter().filter(|name| !scene.withheld.contains(&name.as_str())) {
        let altered = scene.altered.get(name.as_str()).cloned();
        let found = world.media.iter().find(|(known, _)| known == name);
        if let Some(data) = altered.or(found.map(|(_, data)| data.clone())) {
            let data = frame(&data.into(), version).unwrap();
            files.push(MediaFile { name: name.clone(), data });
        }
    }
    let mut cuts = bunches(files.iter().map(|file| file.data.len()));
    if cuts.is_empty() {
        cuts.push(0..0); // engines end every answer with a bunch, an empty one if need be
    }
    let count = cuts.len() as u16;
    for (cut, index) in cuts.into_iter().zip(0..) {
        let media = Media { bunches: count, index, files: files[cut].to_vec() };
        send(link, 2, media.encode());
    }
}
