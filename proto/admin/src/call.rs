//! What every call passes: who is it, may they, until when; and what is written down about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_telemetry::span::{HEADER, TARGET, follow};
use tokio::sync::OwnedSemaphorePermit;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};
use tracing::{Instrument as _, Span};

use crate::access::Actor;
use crate::failure::Failure;
use crate::incoming::Peer;
use crate::repeats::{Key, Turn};
use crate::serve::Api;
use crate::verb::Verb;

/// How long a call without a deadline may take, and one with a later deadline.
const LIMIT: Duration = Duration::from_mins(1);

/// A call that was let in.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) actor: Actor,
    pub(crate) verb: Verb,
    /// When it must be over: somewhat before the caller stops waiting, so that they read why.
    pub(crate) deadline: Instant,
    /// Whether the caller set the deadline.
    pub(crate) limited: bool,
    /// What is done for it.
    pub(crate) span: Span,
}

/// A request that changes something.
pub(crate) trait Change: prost::Message + Send + 'static {
    /// Under which id, if any, it may be repeated.
    fn request_id(&self) -> &str;

    /// Whom or what it changes, for the audit record. No addresses.
    fn subject(&self) -> String;
}

impl Api {
    async fn admit(
        &self,
        verb: Verb,
        metadata: MetadataMap,
        names: Arc<[String]>,
    ) -> Result<Call, (String, Failure)> {
        let given = timeout(&metadata);
        let limit = given.unwrap_or(LIMIT).min(LIMIT);
        let deadline = Instant::now() + limit.saturating_sub(margin(limit));
        let actor = self.access.actor(&metadata, &names).await;
        let actor = actor.map_err(|failure| ("unknown".to_owned(), failure))?;
        if let Err(failure) = actor.check(verb).await {
            return Err((actor.name, failure));
        }
        // Not before: strangers fill no traces.
        let span = tracing::info_span!(
            target: TARGET,
            "call",
            otel.name = format!("{}/{}", verb.service, verb.method),
            otel.kind = "server",
            rpc.system = "grpc",
            rpc.service = verb.service,
            rpc.method = verb.method,
            rpc.grpc.status_code = tracing::field::Empty,
        );
        if let Some(header) = metadata.get(HEADER).and_then(|it| it.to_str().ok()) {
            follow(&span, header);
        }
        Ok(Call { actor, verb, deadline, limited: given.is_some(), span })
    }

    /// A call that changes nothing.
    pub(crate) async fn look<M, T, W>(
        self: &Arc<Self>,
        verb: Verb,
        request: Request<M>,
        work: impl FnOnce(Arc<Self>, Call, M) -> W + Send,
    ) -> Result<Response<T>, Status>
    where
        W: Future<Output = Result<T, Failure>> + Send,
    {
        let begun = Instant::now();
        let names = names(&request);
        let (metadata, _, message) = request.into_parts();
        let result = match self.admit(verb, metadata, names).await {
            Ok(call) => {
                let span = call.span.clone();
                let result = work(Arc::clone(self), call, message).instrument(span.clone()).await;
                ended(&span, &result);
                result
            }
            Err((_, failure)) => Err(failure),
        };
        self.counted(verb, begun, result)
    }

    /// A call that changes something. It is finished and written down even if the caller leaves.
    pub(crate) async fn change<M, T, W>(
        self: &Arc<Self>,
        verb: Verb,
        request: Request<M>,
        work: impl FnOnce(Arc<Self>, Call, M) -> W + Send + 'static,
    ) -> Result<Response<T>, Status>
    where
        M: Change,
        T: prost::Message + Default + Send + 'static,
        W: Future<Output = Result<T, Failure>> + Send,
    {
        let begun = Instant::now();
        let names = names(&request);
        let (metadata, _, message) = request.into_parts();
        let result = match self.admit(verb, metadata, names).await {
            Ok(call) => self.once(call, message, work).await,
            Err((actor, failure)) => {
                audit(&actor, verb.method, &message.subject(), failure.reason.name());
                Err(failure)
            }
        };
        self.counted(verb, begun, result)
    }

    async fn once<M, T, W>(
        self: &Arc<Self>,
        call: Call,
        message: M,
        work: impl FnOnce(Arc<Self>, Call, M) -> W + Send + 'static,
    ) -> Result<T, Failure>
    where
        M: Change,
        T: prost::Message + Default + Send + 'static,
        W: Future<Output = Result<T, Failure>> + Send,
    {
        let id = message.request_id().to_owned();
        let (actor, method) = (call.actor.name.clone(), call.verb.method);
        let key = (!id.is_empty()).then_some(Key { actor, method, id });
        let sender = match key.clone() {
            None => tokio::sync::watch::Sender::new(None),
            Some(key) => match self.repeats.begin(key, &message.encode_to_vec())? {
                Turn::First(sender) => sender,
                Turn::Again(outcome) => return answer(outcome, call.deadline).await,
            },
        };
        let outcome = sender.subscribe();
        let deadline = call.deadline;
        let api = Arc::clone(self);
        let span = call.span.clone();
        let done = async move {
            let (actor, verb, subject) = (call.actor.name.clone(), call.verb, message.subject());
            let span = call.span.clone();
            let work = work(api, call, message);
            let result = match &key {
                Some(key) => key.during(work).await,
                None => work.await,
            };
            audit(
                &actor,
                verb.method,
                &subject,
                result.as_ref().map_or_else(|f| f.reason.name(), |_| "OK"),
            );
            ended(&span, &result);
            sender.send_replace(Some(result.map(|message| Bytes::from(message.encode_to_vec()))));
        };
        tokio::spawn(done.instrument(span));
        answer(outcome, deadline).await
    }

    /// Counts a call that has ended, or a stream that has begun.
    pub(crate) fn counted<T>(
        &self,
        verb: Verb,
        begun: Instant,
        result: Result<T, Failure>,
    ) -> Result<Response<T>, Status> {
        let result = result.map(Response::new).map_err(Failure::status);
        let code = result.as_ref().err().map_or(Code::Ok, Status::code);
        self.metrics.called(verb, code, begun.elapsed().as_secs_f64());
        result
    }

    /// Room for a call that goes on for long.
    pub(crate) fn long_call(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.long_calls).try_acquire_owned().map_err(|_| {
            let text = "too many watches and moves are under way";
            Failure::new(Reason::TooManyRequests, text)
        })
    }
}

/// A call's span ends with what came of it.
fn ended<T>(span: &Span, result: &Result<T, Failure>) {
    if !span.is_disabled() {
        let code = result.as_ref().err().map_or(Code::Ok, Failure::code);
        span.record("rpc.grpc.status_code", i64::from(i32::from(code)));
    }
}

/// The names in the certificate of the connection that a request came over.
fn names<M>(request: &Request<M>) -> Arc<[String]> {
    request.extensions().get::<Peer>().map(|peer| Arc::clone(&peer.names)).unwrap_or_default()
}

async fn answer<T: prost::Message + Default>(
    mut outcome: tokio::sync::watch::Receiver<Option<crate::repeats::Outcome>>,
    deadline: Instant,
) -> Result<T, Failure> {
    // The work keeps to the deadline and says what it did until then; this is for repeated calls,
    // whose deadline may be earlier, and for work that hangs.
    let patience = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(250);
    let broken = || Failure::new(Reason::Unspecified, "the call failed; the log has the cause");
    let done = tokio::time::timeout(patience, outcome.wait_for(Option::is_some)).await;
    let done = done.map_err(|_| Failure::timeout())?.map_err(|_| broken())?;
    match &*done {
        Some(Ok(bytes)) => T::decode(bytes.clone()).map_err(|_| broken()),
        Some(Err(failure)) => Err(failure.clone()),
        None => Err(broken()),
    }
}

/// One record for everything that changes something, or was to. No addresses.
pub fn audit(actor: &str, verb: &str, subject: &str, result: &str) {
    tracing::info!(target: "audit", actor, verb, subject, result, "audit");
}

/// What is kept of the caller's time: for the answer's way, and because players' tasks look at
/// deadlines four times a second.
fn margin(limit: Duration) -> Duration {
    (limit / 4).min(Duration::from_millis(500))
}

/// The caller's `grpc-timeout` (gRPC over HTTP2, "Requests").
fn timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

macro_rules! changes {
    ($($message:ty: $subject:expr;)*) => {
        $(impl Change for $message {
            fn request_id(&self) -> &str {
                &self.request_id
            }

            fn subject(&self) -> String {
                let subject: fn(&$message) -> String = $subject;
                subject(self)
            }
        })*
    };
}

changes! {
    pb::MovePlayerRequest: |m| format!("player {}", m.name);
    pb::KickPlayerRequest: |m| format!("player {}", m.name);
    pb::SendMessageRequest: |m| match &m.selector {
        Some(s) if s.names.len() == 1 => format!("player {}", s.names[0]),
        _ => "players".to_owned(),
    };
    pb::CreateBanRequest: |m| subject_name(m.subject.as_ref());
    pb::DeleteBanRequest: |m| match &m.which {
        Some(pb::delete_ban_request::Which::Id(id)) => format!("ban {id}"),
        Some(pb::delete_ban_request::Which::Subject(subject)) => subject_name(Some(subject)),
        None => String::new(),
    };
    pb::SetServerStateRequest: |m| format!("server {} to {}", m.name, m.state().as_str_name());
    pb::DrainProxyRequest: |m| format!("proxy {}{}", m.name, if m.cancel { " (cancel)" } else { "" });
}

fn subject_name(subject: Option<&pb::BanSubject>) -> String {
    match subject.and_then(|s| s.kind.as_ref()) {
        Some(pb::ban_subject::Kind::Name(name)) => format!("player {name}"),
        Some(pb::ban_subject::Kind::Address(_)) => "addresses".to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        let read = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            timeout(&metadata)
        };
        for (text, millis) in [
            ("1H", 3_600_000),
            ("2M", 120_000),
            ("3S", 3000),
            ("250m", 250),
            ("5000u", 5),
            ("7000000n", 7),
            ("99999999H", 359_999_996_400_000),
        ] {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "S", "1", "1s", "-1S", "+1S", "123456789S", "1.5S"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(timeout(&MetadataMap::new()), None);
    }
}
