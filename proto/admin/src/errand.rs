//! Commands to the other side of a control stream, and its answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::{Command, CommandResult};
use mesegate_telemetry::span;
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use crate::failure::Failure;
use crate::repeats::request_id;

/// Commands that one stream has under way, and as many that wait for that.
const MOST: usize = 256;

/// What of a deadline is kept for the answer's way.
const WAY: Duration = Duration::from_millis(100);

/// How long beyond the deadline an answer is waited for, which says more than silence.
const SLACK: Duration = Duration::from_millis(200);

/// Something to be done, until when, and whom to tell.
#[derive(Debug)]
struct Errand {
    op: Op,
    by: String,
    request_id: String,
    deadline: Instant,
    traceparent: String,
    answer: oneshot::Sender<Outcome>,
}

/// The way to whoever carries commands out: a proxy, or its controller.
#[derive(Debug, Clone)]
pub struct Errander {
    /// What it is called in texts.
    whom: Arc<str>,
    errands: mpsc::Sender<Errand>,
}

/// The commands of one stream. When it is dropped those under way fail with `PROXY_GONE`.
#[derive(Debug)]
pub struct Errands {
    waiting: mpsc::Receiver<Errand>,
    under_way: HashMap<u64, oneshot::Sender<Outcome>>,
    last: u64,
}

impl Errander {
    /// To `whom`, as texts call it, by way of a stream that takes its commands from the errands.
    pub fn new(whom: &str) -> (Self, Errands) {
        let (errands, waiting) = mpsc::channel(MOST);
        let errander = Self { whom: whom.into(), errands };
        (errander, Errands { waiting, under_way: HashMap::new(), last: 0 })
    }

    fn gone(&self) -> Failure {
        Failure::new(Reason::ProxyGone, format!("{} is not connected", self.whom))
    }

    /// Has something done and waits for what comes of it.
    ///
    /// # Errors
    /// `PROXY_GONE` if the stream ends before the answer, `TOO_MANY_REQUESTS` if too much waits,
    /// `TIMEOUT`, and what the other side says.
    pub async fn send(&self, op: Op, by: &str, deadline: Instant) -> Result<Outcome, Failure> {
        let (answer, outcome) = oneshot::channel();
        let request_id = request_id().unwrap_or_default();
        let by = by.to_owned();
        let traceparent = span::header(&Span::current());
        let errand = Errand { op, by, request_id, deadline, traceparent, answer };
        self.errands.try_send(errand).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                let text = format!("too many commands wait for {}", self.whom);
                Failure::new(Reason::TooManyRequests, text)
            }
            mpsc::error::TrySendError::Closed(_) => self.gone(),
        })?;
        match tokio::time::timeout_at((deadline + SLACK).into(), outcome).await {
            Ok(Ok(Outcome::Failed(failed))) => {
                let mut text = failed.text.clone();
                text.truncate(text.floor_char_boundary(1000));
                Err(Failure::new(failed.reason(), text))
            }
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(self.gone()),
            Err(_) => Err(Failure::timeout()),
        }
    }
}

impl Errands {
    /// The next command that is to be sent, and for whom it is. None is lost if it is not waited for
    /// to the end.
    pub async fn next(&mut self) -> (Command, String) {
        loop {
            if self.under_way.len() >= MOST {
                self.under_way.retain(|_, answer| !answer.is_closed());
            }
            if self.under_way.len() >= MOST {
                // Until an answer makes the stream look again.
                return std::future::pending().await;
            }
            let waiting = self.waiting.recv().await;
            let Some(Errand { op, by, request_id, deadline, traceparent, answer }) = waiting else {
                return std::future::pending().await;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout_ms = left.saturating_sub(WAY).as_millis() as u32;
            if timeout_ms == 0 || answer.is_closed() {
                continue;
            }
            self.last += 1;
            self.under_way.insert(self.last, answer);
            let op = Some(op);
            return (Command { id: self.last, timeout_ms, request_id, traceparent, op }, by);
        }
    }

    /// A command was answered.
    pub fn answered(&mut self, result: CommandResult) {
        if let Some(answer) = self.under_way.remove(&result.id)
            && let Some(outcome) = result.result
        {
            // Nobody may be waiting any more.
            let _ = answer.send(outcome);
        }
    }
}
