//! The console in the chat: what players and staff can have the proxy do, and what it answers.
//!
//! What staff orders takes the way that the admin interface takes as well ([`admin::Network`]), and
//! is written down in the same audit records. A command runs in a task of its own: the player's
//! packets do not wait for it, and it is finished even if the player leaves.

mod ask;
mod keep_out;
mod look;
mod operate;
mod paint;
mod rights;
mod table;
mod talk;
mod travel;
mod words;

use std::sync::Arc;

use mesegate_admin as admin;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_resource::Target;
use tokio::sync::mpsc;

use crate::abroad;
use crate::shared::Shared;
use ask::{Ask, Trouble};
pub use table::manual;
use table::{Command, Task};
use words::Words;

/// Lines of answers that may wait for the player's task.
const LINES: usize = 64;

/// Characters of what was typed that are shown again.
const SHOWN: usize = 63;

/// Somebody who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Their name.
    pub(crate) name: String,
    /// The server they are on.
    pub(crate) server: Option<String>,
}

/// What comes of a command.
#[derive(Debug)]
pub(crate) enum Said {
    /// A line for the player's chat.
    Line(String),
    /// The player asked to go there.
    Go(Target),
}

/// Begins to carry out a line without its prefix. What comes of it comes from the receiver, which
/// ends with the command.
pub(crate) fn begin(shared: &Arc<Shared>, caller: Caller, line: &str) -> mpsc::Receiver<Said> {
    let (out, said) = mpsc::channel(LINES);
    let ask = Ask {
        api: abroad::network(shared, format!("player:{}", caller.name)),
        alone: shared.fleet && !shared.abroad.is_up(),
        shared: Arc::clone(shared),
        network: shared.network.load_full(),
        caller,
        words: Words::new(line),
        out,
        subject: String::new(),
    };
    tokio::spawn(run(ask));
    said
}

async fn run(mut ask: Ask) {
    let word = ask.words.next().unwrap_or_else(|| "help".to_owned());
    let Some(command) = Command::find(&word) else {
        let word: String = word.chars().take(SHOWN).collect();
        let prefix = ask.prefix();
        let text = format!("There is no command {prefix}{word}. {prefix}help lists them.");
        return ask.say(paint::bad(&text)).await;
    };
    let actor = format!("player:{}", ask.caller.name);
    if !ask.may(command) {
        if let Some(verb) = command.audit {
            admin::audit(&actor, verb, "", Reason::Permission.name());
        }
        let text = format!("You may not use {}{}.", ask.prefix(), command.name);
        return ask.say(paint::failed(&text, Reason::Permission.name())).await;
    }
    let result = carry_out(command.task, &mut ask).await;
    if let Some(verb) = command.audit {
        let outcome = match &result {
            Ok(_) => "OK",
            Err(trouble) => trouble.reason(),
        };
        admin::audit(&actor, verb, &ask.subject, outcome);
    }
    match result {
        Ok(lines) => {
            for line in lines {
                ask.say(line).await;
            }
        }
        Err(Trouble::Usage) => {
            let text = format!("Usage: {}", command.usage(ask.prefix()));
            ask.say(paint::failed(&text, Trouble::Usage.reason())).await;
        }
        Err(Trouble::Failed { reason, text }) => {
            ask.say(paint::failed(&paint::sentence(&text), reason)).await;
        }
    }
}

async fn carry_out(task: Task, ask: &mut Ask) -> ask::Answer {
    match task {
        Task::Addr => look::addr(ask).await,
        Task::Alert => talk::alert(ask).await,
        Task::Ban => keep_out::ban(ask).await,
        Task::Banlist => keep_out::banlist(ask).await,
        Task::Drain => operate::drain(ask).await,
        Task::Find => look::find(ask),
        Task::Gperms => rights::gperms(ask),
        Task::Group => rights::group(ask),
        Task::Gsend => travel::send(ask, travel::Kind::Group).await,
        Task::Gserver => travel::server(ask, travel::Kind::Group).await,
        Task::Help => rights::help(ask),
        Task::Kick => keep_out::kick(ask).await,
        Task::Msg => talk::msg(ask).await,
        Task::Mute => talk::mute(ask).await,
        Task::Perms => rights::perms(ask),
        Task::Players => look::players(ask),
        Task::Reload => operate::reload(ask).await,
        Task::Reply => talk::reply(ask).await,
        Task::Send => travel::send(ask, travel::Kind::Server).await,
        Task::Server => travel::server(ask, travel::Kind::Any).await,
        Task::Servers => look::servers(ask),
        Task::Shutdown => operate::shutdown(ask).await,
        Task::Tempban => keep_out::tempban(ask).await,
        Task::Unban => keep_out::unban(ask).await,
        Task::Unmute => talk::unmute(ask).await,
        Task::Uptime => look::uptime(ask),
        Task::Usage => rights::usage(ask),
        Task::Whereami => look::whereami(ask),
    }
}
