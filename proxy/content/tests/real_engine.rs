//! The library and a real engine server. Run with `--ignored` and the server's address in
//! `MESEGATE_TEST_BACKEND` (`HOST:PORT`). The server must let new names register.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_backend::{Address, Credentials, Dial, enter, leave};
use mesegate_content::{Catalogue, ContentStore, Library, LibraryConfig, ServerSpec, sha1};
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::{AnnounceMedia, Media, NodeDefs};

const WAIT: Duration = Duration::from_mins(1);

fn address() -> Address {
    let address = std::env::var("MESEGATE_TEST_BACKEND")
        .expect("MESEGATE_TEST_BACKEND must hold the address of an engine server");
    address.parse().unwrap()
}

fn library(dir: &tempfile::TempDir, address: &Address) -> Library {
    let library =
        Library::new(ContentStore::open(dir.path()).unwrap(), LibraryConfig::new("mesegate"));
    library.set_servers(vec![ServerSpec {
        name: "engine".to_owned(),
        address: address.clone(),
        credentials: Credentials::Secret("service account of the tests".to_owned()),
    }]);
    library
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
async fn an_engine_is_fetched_served_and_entered() {
    let address = address();
    let dir = tempfile::tempdir().unwrap();
    let library = library(&dir, &address);
    let start = Instant::now();
    library.catalogue(ProtocolVersion::MAX, "", Duration::from_secs(10)).await;
    let network = library.network_version();
    // Both layouts, and a language.
    for (version, language) in [(network, ""), (network, "de"), (ProtocolVersion(41), "")] {
        let catalogue = library.catalogue(version, language, WAIT).await;
        let catalogue = catalogue.unwrap_or_else(|| panic!("{:?}", library.server_status()));
        assert_eq!((catalogue.version(), catalogue.language()), (version, language));
        let nodes = NodeDefs::decode(&catalogue.node_def()[2..], version).unwrap().nodes;
        let files = check_media(&catalogue).await;
        let (n, i, m) = catalogue.counts();
        assert_eq!((n, m), (nodes.len(), files));
        println!(
            "protocol {version} {language:?}: {n} nodes, {i} items, {m} files, {} bytes, {:?}",
            catalogue.media_bytes(),
            start.elapsed()
        );

        let secret = Credentials::Secret("a visitor".to_owned());
        let mut dial = Dial::new(address.clone(), "visitor", secret);
        dial.max_version = version;
        dial.language = language.to_owned();
        dial.retry_already_connected = true;
        let entered = enter(&dial).await.unwrap();
        let begun = Instant::now();
        let ids = catalogue.admit(&entered.definitions).unwrap();
        println!("admitted in {:?}", begun.elapsed());
        assert!(ids.is_identity());
        // What a visitor gets is what the library has: nothing to fetch again.
        let fetched = mesegate_content::digest(&entered.definitions, version).unwrap();
        if (version, language) == (network, "") {
            assert_eq!(library.server_status()[0].digest, Some(fetched));
        }
        leave(entered.link);
    }
}
