//! Commands to a proxy, and its answers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mesegate_admin::{Failure, request_id};
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::{Command, CommandResult};
use tokio::sync::{mpsc, oneshot};

/// Commands that a proxy has under way, and as many that wait for that.
const MOST: usize = 256;

/// What of a deadline is kept for the answer's way.
const WAY: Duration = Duration::from_millis(100);

/// How long beyond the deadline an answer is waited for, which says more than silence.
const SLACK: Duration = Duration::from_millis(200);

/// Something to be done, until when, and whom to tell.
#[derive(Debug)]
struct Errand {
    op: Op,
    request_id: String,
    deadline: Instant,
    answer: oneshot::Sender<Outcome>,
}

/// The way to a proxy.
#[derive(Debug, Clone)]
pub(super) struct Sender(mpsc::Sender<Errand>);

/// The commands of one stream. When it is dropped those under way fail with `PROXY_GONE`.
#[derive(Debug)]
pub(super) struct Errands {
    waiting: mpsc::Receiver<Errand>,
    under_way: HashMap<u64, oneshot::Sender<Outcome>>,
    last: u64,
}

pub(super) fn channel() -> (Sender, Errands) {
    let (sender, waiting) = mpsc::channel(MOST);
    (Sender(sender), Errands { waiting, under_way: HashMap::new(), last: 0 })
}

/// The proxy is not there.
pub(super) fn gone(proxy: &str) -> Failure {
    Failure::new(Reason::ProxyGone, format!("proxy {proxy:?} is not connected"))
}

impl Sender {
    /// Has the proxy of that name do something and waits for what comes of it.
    pub(super) async fn send(
        self,
        proxy: &str,
        op: Op,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let (answer, outcome) = oneshot::channel();
        let request_id = request_id().unwrap_or_default();
        self.0.try_send(Errand { op, request_id, deadline, answer }).map_err(
            |error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    let text = format!("too many commands wait for proxy {proxy:?}");
                    Failure::new(Reason::TooManyRequests, text)
                }
                mpsc::error::TrySendError::Closed(_) => gone(proxy),
            },
        )?;
        match tokio::time::timeout_at((deadline + SLACK).into(), outcome).await {
            Ok(Ok(Outcome::Failed(failed))) => {
                let mut text = failed.text.clone();
                text.truncate(text.floor_char_boundary(1000));
                Err(Failure::new(failed.reason(), text))
            }
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(gone(proxy)),
            Err(_) => Err(Failure::timeout()),
        }
    }
}

impl Errands {
    /// The next command that is to be sent. None is lost if it is not waited for to the end.
    pub(super) async fn next(&mut self) -> Command {
        loop {
            if self.under_way.len() >= MOST {
                self.under_way.retain(|_, answer| !answer.is_closed());
            }
            if self.under_way.len() >= MOST {
                // Until an answer makes the stream look again.
                return std::future::pending().await;
            }
            let Some(Errand { op, request_id, deadline, answer }) = self.waiting.recv().await
            else {
                return std::future::pending().await;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout_ms = left.saturating_sub(WAY).as_millis() as u32;
            if timeout_ms == 0 || answer.is_closed() {
                continue;
            }
            self.last += 1;
            self.under_way.insert(self.last, answer);
            return Command { id: self.last, timeout_ms, request_id, op: Some(op) };
        }
    }

    /// The proxy has answered.
    pub(super) fn answered(&mut self, result: CommandResult) {
        if let Some(answer) = self.under_way.remove(&result.id)
            && let Some(outcome) = result.result
        {
            // Nobody may be waiting any more.
            let _ = answer.send(outcome);
        }
    }
}
