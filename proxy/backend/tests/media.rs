//! Fetching media from a server that bunches files as an engine does.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use mesegate_backend::{DownloadLimits, Downloaded, EnterError, Step, download, enter};
use mesegate_protocol::{ProtocolVersion, to_server};
use support::{FakeServer, Script};

fn file(i: usize) -> (String, Bytes) {
    (format!("file_{i}.png"), vec![i as u8; i % 700].into())
}

async fn fetch(
    server: &FakeServer,
    version: ProtocolVersion,
    names: &[String],
    limits: &DownloadLimits,
) -> (Result<Downloaded, EnterError>, HashMap<String, Bytes>) {
    let mut dial = server.dial("fetcher", "secret");
    dial.max_version = version;
    let mut link = enter(&dial).await.unwrap().link;
    let mut files = HashMap::new();
    let result = download(&mut link, names, version, limits, |name, data| {
        assert!(files.insert(name.to_owned(), data).is_none(), "{name} came twice");
    })
    .await;
    (result, files)
}

#[tokio::test]
async fn all_files_arrive_and_those_that_do_not_exist_are_named() {
    let existing: Vec<(String, Bytes)> = (0..2500).map(file).collect();
    let server =
        FakeServer::start(Script { files: existing.clone(), bunch: 7, ..Script::default() });
    let mut names: Vec<String> = existing.iter().map(|(name, _)| name.clone()).collect();
    names.extend(["gone.png".to_owned(), "file_1.png".to_owned(), "also_gone.ogg".to_owned()]);
    for version in [ProtocolVersion(41), ProtocolVersion(53)] {
        let (result, files) = fetch(&server, version, &names, &DownloadLimits::default()).await;
        let result = result.unwrap();
        assert_eq!(files, existing.iter().cloned().collect());
        assert_eq!(result.files, 2500);
        assert_eq!(result.bytes, existing.iter().map(|(_, data)| data.len() as u64).sum::<u64>());
        assert_eq!(result.missing, ["also_gone.ogg", "gone.png"]);
    }
}

#[tokio::test]
async fn nothing_is_requested_for_no_names() {
    let server = FakeServer::start(Script::default());
    let (result, _) = fetch(&server, ProtocolVersion::MAX, &[], &DownloadLimits::default()).await;
    assert_eq!(result.unwrap(), Downloaded::default());
}

#[tokio::test]
async fn a_damaged_or_oversized_file_does_not_stop_the_others() {
    let mut files: Vec<(String, Bytes)> = (0..10).map(file).collect();
    files.push(("broken.png".to_owned(), Bytes::from_static(b"no frame")));
    files.push(("huge.png".to_owned(), Bytes::from(vec![1; 5001])));
    files.push(("last.png".to_owned(), Bytes::from(vec![1; 5000])));
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let server = FakeServer::start(Script { files, bunch: 3, ..Script::default() });
    let limits = DownloadLimits { file_bytes: 5000, ..DownloadLimits::default() };
    let (result, files) = fetch(&server, ProtocolVersion::MAX, &names, &limits).await;
    assert_eq!(result.unwrap().missing, ["broken.png", "huge.png"]);
    assert_eq!(files["last.png"].len(), 5000);
    assert_eq!(files.len(), 11);
}

#[tokio::test]
async fn more_bytes_than_allowed_and_silence_end_the_download() {
    let files = vec![("big.png".to_owned(), Bytes::from(vec![1; 10_000]))];
    let names = ["big.png".to_owned()];
    let server = FakeServer::start(Script { files, ..Script::default() });
    let limits = DownloadLimits { total_bytes: 9_999, ..DownloadLimits::default() };
    let (result, files) = fetch(&server, ProtocolVersion::MAX, &names, &limits).await;
    assert_eq!(result.unwrap_err().reason(), "protocol");
    assert!(files.is_empty());

    let mute_at = Some(to_server::REQUEST_MEDIA);
    let server = FakeServer::start(Script { mute_at, ..Script::default() });
    let limits = DownloadLimits { stall: Duration::from_millis(300), ..DownloadLimits::default() };
    let (result, _) = fetch(&server, ProtocolVersion::MAX, &names, &limits).await;
    assert!(matches!(result, Err(EnterError::Timeout { step: Step::Media })), "{result:?}");
}
