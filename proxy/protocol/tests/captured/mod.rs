//! Messages that engine servers sent.
#![allow(dead_code, reason = "no test program uses all of it")]

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;

pub(crate) struct Vector {
    pub(crate) id: String,
    protocol: u16,
    pub(crate) format: u8,
    pub(crate) body: Vec<u8>,
    pub(crate) note: String,
}

impl Vector {
    pub(crate) fn version(&self) -> ProtocolVersion {
        ProtocolVersion(self.protocol)
    }

    pub(crate) fn message(&self, command: u16) -> Bytes {
        [&command.to_be_bytes()[..], &self.body].concat().into()
    }
}

pub(crate) fn vectors(id: &str) -> Vec<Vector> {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../data/play_vectors.json")).unwrap();
    let found: Vec<_> = file["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| vector["id"].as_str().unwrap().starts_with(id))
        .map(|vector| {
            let hex = vector["hex"].as_str().unwrap();
            Vector {
                id: vector["id"].as_str().unwrap().into(),
                protocol: vector["protocol"][0].as_u64().unwrap() as u16,
                format: vector["block_format"].as_u64().unwrap() as u8,
                body: (0..hex.len())
                    .step_by(2)
                    .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
                    .collect(),
                note: vector["note"].as_str().unwrap().into(),
            }
        })
        .collect();
    assert!(!found.is_empty(), "no vector {id}");
    found
}

pub(crate) fn one(id: &str) -> Vector {
    vectors(id).remove(0)
}
