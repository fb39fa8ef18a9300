//! Data for servers whose players are at other proxies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::{DataCommand, Parcel};

use crate::shared::Shared;

/// How often somebody is looked for who could carry what waits.
const LOOK: Duration = Duration::from_millis(500);

/// How long another proxy has to take it.
const DEADLINE: Duration = Duration::from_secs(5);

/// Data waits for a server that nobody here can carry to it: has it given to other proxies, in
/// order, until nothing waits any more.
pub(crate) fn forward(shared: &Arc<Shared>, server: &str) {
    if shared.fleet && shared.mods.begin_forwarding(server) {
        tokio::spawn(run(Arc::clone(shared), server.to_owned()));
    }
}

async fn run(shared: Arc<Shared>, server: String) {
    loop {
        let there = shared.abroad.is_up() && shared.abroad.is_on(&server);
        let Some(mut batch) = shared.mods.batch(&server, there) else { return };
        if batch.is_empty() {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let parcels = batch.iter().map(|(_, data)| Parcel {
            from: data.from.clone(),
            topic: data.topic.clone(),
            text: data.text.clone(),
        });
        let proxy = shared.about.name.clone();
        let command = DataCommand { server: server.clone(), parcels: parcels.collect(), proxy };
        let answer = shared.abroad.ask(Op::Data(command), "", Instant::now() + DEADLINE).await;
        let taken = match answer {
            Ok(Outcome::Taken(parcels)) => batch.len().min(parcels as usize),
            Err(failure) if failure.reason == Reason::TooManyRequests => 0,
            // It may have arrived, and must not come twice.
            other => {
                let reason = other.err().map_or("UNSPECIFIED", |failure| failure.reason.name());
                let parcels = batch.len();
                tracing::warn!(server, parcels, reason, "data between servers may be lost");
                parcels
            }
        };
        shared.mods.returned(&server, batch.split_off(taken));
        if taken == 0 {
            tokio::time::sleep(LOOK).await;
        }
    }
}
