//! Commands about the proxy and its servers.

use std::time::Duration;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;

use super::ask::{Answer, Ask, Trouble};
use super::paint;
use crate::app;

/// How long the answer has to get to its player before the process ends.
const ANSWER: Duration = Duration::from_millis(300);

/// Ends the process, as a signal does.
pub(super) async fn shutdown(ask: &mut Ask) -> Answer {
    ask.end()?;
    ask.subject = format!("proxy {}", ask.shared.about.name);
    // Before the goodbye to everybody, which comes at once.
    ask.say(paint::good("The proxy stops.")).await;
    tokio::time::sleep(ANSWER).await;
    ask.shared.life.end();
    Ok(Vec::new())
}

/// Reads the documents again.
pub(super) async fn reload(ask: &mut Ask) -> Answer {
    ask.end()?;
    ask.subject = format!("proxy {}", ask.shared.about.name);
    match app::reload(&ask.shared).await {
        Ok(servers) => {
            let text = format!("The documents were read again: {servers} servers.");
            Ok(vec![paint::good(&text)])
        }
        Err(app::ReloadError::Documents(error)) => {
            let text = format!("the last good documents stay: {error}");
            Err(Trouble::new("BAD_DOCUMENTS", text))
        }
        Err(error @ app::ReloadError::Controller) => {
            Err(Trouble::new("CONTROLLER", error.to_string()))
        }
        Err(error @ app::ReloadError::Broken) => {
            Err(Trouble::new(Reason::Unspecified.name(), error.to_string()))
        }
    }
}

/// Lets nobody in to a server any more, or again.
pub(super) async fn drain(ask: &mut Ask) -> Answer {
    let typed = ask.word()?;
    let state = match ask.words.next().as_deref() {
        None => pb::ServerState::Drain,
        Some(word) if word.eq_ignore_ascii_case("off") => pb::ServerState::Active,
        Some(_) => return Err(Trouble::Usage),
    };
    ask.end()?;
    let name = ask.server(&typed)?.name.to_string();
    ask.subject = format!("server {name} to {}", state.as_str_name());
    let by = ask.caller.name.clone();
    let lasts = !ask.alone && ask.shared.abroad.sets_states();
    ask.api.set_state(&name, state, &by, Ask::deadline()).await?;
    let here = if lasts { "" } else { ask.only_here() };
    let text = match state {
        pb::ServerState::Drain => format!("{name} lets nobody in{here} any more"),
        _ => format!("{name} lets players in{here} again"),
    };
    let end = if lasts { "" } else { ", until the proxy ends" };
    Ok(vec![paint::good(&format!("{text}{end}."))])
}
