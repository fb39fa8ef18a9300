//! The library and real engine servers. Run with `--ignored` and their addresses in
//! `MESEGATE_TEST_BACKEND` (`HOST:PORT`, several with commas between them). The servers must let
//! new names register.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_backend::{Address, Credentials, Dial, enter, leave};
use mesegate_content::{Catalogue, ContentStore, Library, LibraryConfig, ServerSpec, sha1};
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::{AnnounceMedia, Media, NodeDefs};

const WAIT: Duration = Duration::from_mins(1);

fn addresses() -> Vec<Address> {
    let addresses = std::env::var("MESEGATE_TEST_BACKEND")
        .expect("MESEGATE_TEST_BACKEND must hold the address of an engine server");
    addresses.split(',').map(|address| address.parse().unwrap()).collect()
}

fn library(dir: &tempfile::TempDir, addresses: &[Address]) -> Library {
    let library =
        Library::new(ContentStore::open(dir.path()).unwrap(), LibraryConfig::new("mesegate"));
    let spec = |(number, address): (usize, &Address)| ServerSpec {
        name: format!("engine{number}"),
        address: address.clone(),
        credentials: Credentials::Secret("service account of the tests".to_owned()),
        pool: None,
        probe: None,
    };
    library.set_servers(addresses.iter().enumerate().map(spec).collect());
    library
}

/// Waits until all servers were fetched from in the network's version.
async fn settled(library: &Library, count: usize) -> ProtocolVersion {
    let start = Instant::now();
    loop {
        let version = library.network_version();
        let catalogue = library.catalogue(version, "", None, Duration::from_secs(1)).await;
        if version == library.network_version()
            && catalogue.is_some_and(|catalogue| catalogue.servers().len() == count)
        {
            return version;
        }
        assert!(start.elapsed() < WAIT, "{:?}", library.server_status());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Takes all media as a client without a cache would, and checks it against the announcement.
async fn check_media(catalogue: &Arc<Catalogue>) -> usize {
    let version = catalogue.version();
    let announce = AnnounceMedia::decode(&catalogue.announce()[2..], version).unwrap();
    let mut expected: HashMap<String, [u8; 20]> = announce.files.into_iter().collect();
    let names: Vec<String> = expected.keys().cloned().collect();
    let mut messages = catalogue.media_messages(&names);
    while let Some(message) = messages.next().await {
        for file in Media::decode(&message.slice(2..)).unwrap().files {
            let content = file.content(version, 20_000_000).unwrap();
            assert_eq!(expected.remove(&file.name), Some(sha1(&content)), "{}", file.name);
        }
    }
    assert!(expected.is_empty(), "not delivered: {expected:?}");
    names.len()
}

#[tokio::test]
#[ignore = "needs an engine server"]
async fn engines_are_fetched_served_and_entered() {
    let addresses = addresses();
    let dir = tempfile::tempdir().unwrap();
    let library = library(&dir, &addresses);
    let start = Instant::now();
    let network = settled(&library, addresses.len()).await;
    println!("{} servers fetched in {:?}", addresses.len(), start.elapsed());
    // Both layouts, and a language.
    for (version, language) in [(network, ""), (network, "de"), (ProtocolVersion(41), "")] {
        let catalogue = library.catalogue(version, language, None, WAIT).await;
        let catalogue = catalogue.unwrap_or_else(|| panic!("{:?}", library.server_status()));
        assert_eq!((catalogue.version(), catalogue.language()), (version, language));
        let nodes = NodeDefs::decode(&catalogue.node_def()[2..], version).unwrap().nodes;
        let files = check_media(&catalogue).await;
        let (n, i, m) = catalogue.counts();
        assert_eq!((n, m), (nodes.len(), files));
        let (servers, bytes) = (catalogue.servers().len(), catalogue.media_bytes());
        println!("{}", serde_json::to_string_pretty(catalogue.report()).unwrap());
        println!(
            "protocol {version} {language:?}, {servers} servers: {n} nodes, {i} items, {m} files, \
             {bytes} bytes, after {:?}",
            start.elapsed()
        );
        for (number, address) in addresses.iter().enumerate() {
            enter_with(&library, &catalogue, number, address).await;
        }
    }
}

/// A visitor with this catalogue enters one of the servers in it.
async fn enter_with(library: &Library, catalogue: &Catalogue, number: usize, address: &Address) {
    let (version, language) = (catalogue.version(), catalogue.language());
    let mut dial = Dial::new(address.clone(), "visitor", Credentials::Secret("a visitor".into()));
    dial.max_version = version;
    dial.language = language.to_owned();
    dial.retry_already_connected = true;
    let entered = enter(&dial).await.unwrap();
    let begun = Instant::now();
    let translation = catalogue.admit(&format!("engine{number}"), &entered.definitions).unwrap();
    let (ids, names) = (translation.ids(), translation.names());
    println!("engine{number}: admitted in {:?}", begun.elapsed());
    let joined = NodeDefs::decode(&catalogue.node_def()[2..], version).unwrap().nodes;
    let joined: HashMap<&str, u16> = joined.iter().map(|n| (n.name.as_str(), n.id)).collect();
    for node in NodeDefs::decode(&entered.definitions.node_def, version).unwrap().nodes {
        let name = names.item(node.name.as_bytes()).map_or(node.name.as_bytes(), |new| new);
        let name = std::str::from_utf8(name).unwrap();
        assert_eq!(ids.get(node.id), joined[name], "{name}");
    }
    assert!(number > 0 || ids.is_identity());
    // What a visitor gets is what the library has: nothing to fetch again.
    if version == library.network_version() && language.is_empty() {
        let sent = mesegate_content::digest(&entered.definitions, version).unwrap();
        assert_eq!(library.server_status()[number].digest, Some(sent));
    }
    leave(entered.link);
}
