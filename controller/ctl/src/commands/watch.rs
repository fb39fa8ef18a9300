//! Changes as they happen. A watch that the other side ends for slowness, or because it stops, is
//! an error: whoever reads the lines has to begin anew.

use mesegate_proto::admin::v1 as pb;
use serde_json::json;
use tonic::Request;

use super::Session;
use crate::cli::Selector;
use crate::error::Error;
use crate::output::{Row as _, plain};
use crate::rows;

pub(super) async fn players(session: &Session, selector: Selector) -> Result<(), Error> {
    use pb::watch_players_response::Event;
    let request = pb::WatchPlayersRequest { selector: Some(selector.into()) };
    let mut client = super::players::client(session);
    let mut events = client.watch_players(Request::new(request)).await?.into_inner();
    while let Some(event) = events.message().await? {
        match event.event {
            Some(Event::Present(player)) => {
                let state = rows::player_state(&player);
                let text = format!("{}   {state}   {}", plain(&player.name), plain(&player.server));
                session.line(&text, &json!({ "present": player.value() }))?;
            }
            Some(Event::Gone(name)) => {
                session.line(&format!("{}   GONE", plain(&name)), &json!({ "gone": name }))?;
            }
            Some(Event::Synced(_)) => session.line("--", &json!({ "synced": true }))?,
            None => {}
        }
    }
    Ok(())
}

pub(super) async fn servers(session: &Session) -> Result<(), Error> {
    use pb::watch_servers_response::Event;
    let request = Request::new(pb::WatchServersRequest {});
    let mut client = super::servers::client(session);
    let mut events = client.watch_servers(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        match event.event {
            Some(Event::Present(server)) => {
                let text = format!(
                    "{}   {}   {}   {} players   {}",
                    plain(&server.name),
                    rows::server_state(&server),
                    rows::reachability(&server),
                    server.players,
                    plain(&server.problem)
                );
                session.line(text.trim_end(), &json!({ "present": server.value() }))?;
            }
            Some(Event::Gone(name)) => {
                session.line(&format!("{}   GONE", plain(&name)), &json!({ "gone": name }))?;
            }
            Some(Event::Synced(_)) => session.line("--", &json!({ "synced": true }))?,
            None => {}
        }
    }
    Ok(())
}
