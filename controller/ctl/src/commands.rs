//! Commands: one call each, or one stream.

mod bans;
mod players;
mod servers;
mod watch;

use std::io::Write as _;
use std::time::Duration;

use mesegate_proto::admin::v1 as pb;
use tonic::{Request, Response, Status};

use crate::cli::{Cli, Command, Drain, Format, Selector, Watch};
use crate::connection::{Connection, connect, connect_through};
use crate::error::Error;
use crate::output::{self, Row};

/// Entries that are asked for at once.
const PAGE: u32 = 1000;

/// What every command needs.
pub(crate) struct Session {
    connection: Connection,
    format: Format,
    timeout: Duration,
}

/// Does what was typed.
pub(crate) async fn run(cli: Cli) -> Result<(), Error> {
    let program = std::env::args().next().unwrap_or_default();
    let through_cluster = cli.through_cluster(&program);
    let Cli { server, cluster, output: format, command } = cli;
    let connection = if through_cluster {
        connect_through(&cluster, &server).await?
    } else {
        connect(&server).await?
    };
    let session = Session { connection, format, timeout: server.timeout };
    match command {
        Command::Players { selector } => players::list(&session, selector).await,
        Command::Inspect { player } => players::inspect(&session, player).await,
        Command::Move { player, to, to_group, selector, all, rate, dry_run, reconnect, repeat } => {
            let allow_reconnect = reconnect;
            use pb::target::Kind;
            let kind = to.map(Kind::Server).or(to_group.map(Kind::Group));
            let target = Some(pb::Target { kind });
            match player {
                Some(name) => {
                    let request_id = repeat.request_id;
                    let request =
                        pb::MovePlayerRequest { name, target, request_id, allow_reconnect };
                    players::go(&session, request).await
                }
                None => {
                    let selector = Some(selector.into());
                    let request = pb::MovePlayersRequest {
                        selector,
                        all,
                        target,
                        rate,
                        dry_run,
                        allow_reconnect,
                    };
                    players::go_many(&session, request).await
                }
            }
        }
        Command::Kick { player, reason, reconnect, repeat } => {
            let request_id = repeat.request_id;
            let request = pb::KickPlayerRequest { name: player, reason, reconnect, request_id };
            players::kick(&session, request).await
        }
        Command::Message { text, selector, all, repeat } => {
            let selector = Some(selector.into());
            let request_id = repeat.request_id;
            let request = pb::SendMessageRequest { selector, all, text, request_id };
            players::message(&session, request).await
        }
        Command::Ban { subject, reason, note, duration, repeat } => {
            bans::create(&session, subject, reason, note, duration, repeat).await
        }
        Command::Unban { subject, id, repeat } => bans::delete(&session, subject, id, repeat).await,
        Command::Bans { check: Some(subject), .. } => bans::check(&session, subject).await,
        Command::Bans { check: None, expired } => bans::list(&session, expired).await,
        Command::Servers { name: Some(name) } => servers::get(&session, name).await,
        Command::Servers { name: None } => servers::list(&session).await,
        Command::Drain { what: Drain::Server { name, cancel, disable, repeat } } => {
            let state = match (cancel, disable) {
                (true, _) => pb::ServerState::Active,
                (_, true) => pb::ServerState::Disabled,
                _ => pb::ServerState::Drain,
            };
            servers::set_state(&session, name, state, repeat).await
        }
        Command::Drain { what: Drain::Proxy { name, cancel, repeat } } => {
            servers::drain_proxy(&session, name, cancel, repeat).await
        }
        Command::Proxies => servers::proxies(&session).await,
        Command::Watch { what: Watch::Players { selector } } => {
            watch::players(&session, selector).await
        }
        Command::Watch { what: Watch::Servers } => watch::servers(&session).await,
        // Done before anybody was connected to.
        Command::Completion { .. } => Ok(()),
    }
}

impl Session {
    fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// A request with the deadline of a single call.
    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    fn list<R: Row>(&self, rows: &[R]) -> Result<(), Error> {
        output::list(&mut std::io::stdout().lock(), self.format, rows)
    }

    fn one<R: Row>(&self, row: Option<R>) -> Result<(), Error> {
        match row {
            Some(row) => output::one(&mut std::io::stdout().lock(), self.format, &row),
            None => Err(Status::internal("the answer is empty").into()),
        }
    }

    /// A line of its own, in tables; or the value.
    fn line(&self, text: &str, value: &serde_json::Value) -> Result<(), Error> {
        output::line(&mut std::io::stdout().lock(), self.format, text, value)
    }

    /// What was done, for people.
    fn say(&self, text: &str) -> Result<(), Error> {
        if self.format == Format::Table {
            writeln!(std::io::stdout().lock(), "{text}")?;
        }
        Ok(())
    }
}

/// Fetches all pages.
async fn pages<T, R, F: Future<Output = Result<Response<R>, Status>>>(
    mut call: impl FnMut(String) -> F,
    open: impl Fn(R) -> (Vec<T>, String),
) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    let mut token = String::new();
    loop {
        let (page, next) = open(call(token).await?.into_inner());
        all.extend(page);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
}

impl From<Selector> for pb::PlayerSelector {
    fn from(selector: Selector) -> Self {
        Self {
            servers: selector.on,
            names: selector.names,
            name_prefix: selector.prefix.unwrap_or_default(),
        }
    }
}
