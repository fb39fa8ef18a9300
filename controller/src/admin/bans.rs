//! Bans as `MinetestBan` objects.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, Preconditions};
use kube::core::DeserializeGuard;
use mesegate_admin::{BanKey, Failure, Kick, Network as _, NewBan, request_id};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_resource::{BanSpec, BanTarget, Cidr, Kind, MinetestBan, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{AT_A_TIME, MANAGER, Whole};
use crate::clock::unix_now;
use crate::events::Happening;
use crate::known::Known;

/// Who made a ban, and what they wrote for operators alone.
const AUTHOR: &str = "mesegate.dev/author";
const NOTE: &str = "mesegate.dev/note";

/// The call that made it, so that the same one can be made again at another replica.
const REQUEST: &str = "mesegate.dev/request";

/// Characters of a reason, as the definition of the kind has it.
const REASON: usize = 200;

/// How long a player's proxy may take to send them away.
const TAKEN: Duration = Duration::from_secs(1);

/// Players that a ban sends away by commands of their own. What remains of more, proxies do when
/// they get the ban itself.
const COMMANDED: usize = 1000;

/// Makes the object, sends away whom it concerns, and waits until proxies have it.
pub(super) async fn create(
    whole: &Whole,
    ban: NewBan,
    deadline: Instant,
) -> Result<(pb::Ban, Vec<String>), Failure> {
    let target = subject(ban.subject)?;
    if ban.reason.chars().count() > REASON {
        return Err(Failure::field("reason", format!("at most {REASON} characters")));
    }
    let request = request_id().unwrap_or_default();
    if let Some(known) = objects(whole).find(|it| same(&it.spec.target, &target) && holds(it)) {
        return if made_by(&known, &request) {
            Ok((shown(&known), Vec::new()))
        } else {
            Err(exists(&known))
        };
    }
    let author = ban.author.clone();
    let annotations =
        [(AUTHOR, ban.author), (NOTE, ban.note), (REQUEST, request)].map(|(k, it)| (k.into(), it));
    let object = MinetestBan {
        metadata: ObjectMeta {
            name: Some(object_name(&target)),
            annotations: Some(annotations.into_iter().filter(|(_, it)| !it.is_empty()).collect()),
            ..ObjectMeta::default()
        },
        spec: BanSpec {
            target,
            reason: Some(ban.reason).filter(|it| !it.is_empty()),
            expires_at: ban.expires.map(Timestamp::from_unix),
        },
        status: None,
    };
    let (made, new) = post(whole, &Known(object), deadline).await?;
    if !new {
        return Ok((shown(&made), Vec::new()));
    }
    let name = made.metadata.name.clone().unwrap_or_default();
    let kicked = send_away(whole, &made.spec, deadline).await;
    whole
        .in_force(deadline, || {
            objects(whole).any(|it| it.metadata.uid == made.metadata.uid)
                && whole.fleet.all_have(|set| set.get(BanSpec::KIND, &name).is_some())
        })
        .await;
    let who = match &made.spec.target {
        BanTarget::Name(name) => format!("player {name}"),
        // Addresses are in the object; what is told about it goes further.
        BanTarget::Cidr(_) => "a network".to_owned(),
    };
    let note = match &kicked[..] {
        [] => format!("{author} has banned {who}"),
        kicked => format!("{author} has banned {who}; sent away: {}", kicked.join(", ")),
    };
    whole.tell_of(&made, "Banned", "Ban", note);
    Ok((shown(&made), kicked))
}

fn made_by(ban: &MinetestBan, request: &str) -> bool {
    !request.is_empty() && annotation(ban, REQUEST) == request
}

/// Makes the object; whether it is new. One of the same name is in the way unless it is over, or
/// the same call made it.
async fn post(
    whole: &Whole,
    object: &Known<MinetestBan>,
    deadline: Instant,
) -> Result<(MinetestBan, bool), Failure> {
    let api = api(whole);
    let name = object.metadata.name.clone().unwrap_or_default();
    let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    for last in [false, true] {
        let error = match whole.ask(deadline, api.create(&params, object)).await {
            Ok(made) => return Ok((made.0, true)),
            Err(error) => error,
        };
        if last || !error.status().is_some_and(|it| it.is_already_exists()) {
            return Err(error.into());
        }
        match whole.ask(deadline, api.get(&name)).await {
            Ok(there) if holds(&there) && made_by(&there, annotation(object, REQUEST)) => {
                return Ok((there.0, false));
            }
            Ok(there) if holds(&there) => return Err(exists(&there)),
            Ok(over) => remove(whole, &over, deadline).await?,
            Err(error) if error.status().is_some_and(|it| it.is_not_found()) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::timeout())
}

/// Ends the visits of those whom a new ban concerns, wherever they are.
async fn send_away(whole: &Whole, ban: &BanSpec, deadline: Instant) -> Vec<String> {
    let now = unix_now();
    let concerned = |player: &pb::Player| match &ban.target {
        BanTarget::Name(name) => name.eq_ignore_ascii_case(&player.name),
        BanTarget::Cidr(_) => {
            player.address.parse().is_ok_and(|from| ban.applies(&player.name, from, now))
        }
    };
    let players = whole.fleet.players(None, COMMANDED, Some(concerned)).players;
    let deadline = deadline.min(Instant::now() + TAKEN);
    let kicks = players.into_iter().map(|player| {
        let kick = Kick { text: ban.text(), reconnect: false, ban: true };
        async move { whole.kick(&player.name, kick, deadline).await.ok().map(|()| player.name) }
    });
    let mut kicks = stream::iter(kicks).buffer_unordered(AT_A_TIME);
    let mut kicked = Vec::new();
    while let Some(done) = kicks.next().await {
        kicked.extend(done);
    }
    kicked.sort();
    kicked
}

/// Lifts a ban.
pub(super) async fn delete(
    whole: &Whole,
    key: BanKey,
    deadline: Instant,
) -> Result<pb::Ban, Failure> {
    let ban = match key {
        BanKey::Id(id) => objects(whole).find(|it| it.metadata.uid.as_ref() == Some(&id)),
        BanKey::Subject(given) => {
            let target = subject(given)?;
            objects(whole).find(|it| same(&it.spec.target, &target) && holds(it))
        }
    };
    let ban = ban.ok_or_else(Failure::no_such_ban)?;
    remove(whole, &ban, deadline).await?;
    let name = ban.metadata.name.clone().unwrap_or_default();
    whole
        .in_force(deadline, || {
            objects(whole).all(|it| it.metadata.uid != ban.metadata.uid)
                && whole.fleet.all_have(|set| set.get(BanSpec::KIND, &name).is_none())
        })
        .await;
    whole.tell_of(&ban, "BanLifted", "Unban", "an operator has lifted the ban".to_owned());
    Ok(shown(&ban))
}

impl Whole {
    fn tell_of(&self, ban: &MinetestBan, reason: &str, action: &'static str, note: String) {
        let name = ban.metadata.name.as_deref().unwrap_or_default();
        let uid = ban.metadata.uid.clone();
        self.events.record(Happening::done(BanSpec::KIND, name, uid, reason, action, note));
    }
}

/// Deletes just this object, not one that has taken its name meanwhile.
async fn remove(whole: &Whole, ban: &MinetestBan, deadline: Instant) -> Result<(), Failure> {
    let name = ban.metadata.name.clone().unwrap_or_default();
    let just = Preconditions { uid: ban.metadata.uid.clone(), resource_version: None };
    let params = DeleteParams { preconditions: Some(just), ..DeleteParams::default() };
    match whole.ask(deadline, api(whole).delete(&name, &params)).await {
        Ok(_) => Ok(()),
        Err(error) if error.status().is_some_and(|it| it.is_not_found() || it.is_conflict()) => {
            Err(Failure::no_such_ban())
        }
        Err(error) => Err(error.into()),
    }
}

/// Bans in the order in which they were made, each with what it is sorted by.
pub(super) fn list(
    whole: &Whole,
    after: Option<&str>,
    limit: usize,
    include_expired: bool,
) -> Result<Vec<(String, pb::Ban)>, Failure> {
    if after.is_some_and(|it| !it.contains('/')) {
        return Err(Failure::field("page_token", "not one that was given"));
    }
    let wanted = objects(whole).filter(|it| include_expired || holds(it));
    let mut bans: Vec<(String, Arc<MinetestBan>)> = wanted.map(|it| (key(&it), it)).collect();
    bans.retain(|(key, _)| after.is_none_or(|after| key.as_str() > after));
    bans.sort_by(|a, b| a.0.cmp(&b.0));
    bans.truncate(limit);
    Ok(bans.into_iter().map(|(key, ban)| (key, shown(&ban))).collect())
}

/// The ban that keeps somebody out.
pub(super) fn check(whole: &Whole, name: Option<&str>, address: Option<IpAddr>) -> Option<pb::Ban> {
    let bans = objects(whole).filter(|it| holds(it));
    let concerned = |ban: &Arc<MinetestBan>| match &ban.spec.target {
        BanTarget::Name(banned) => name.is_some_and(|name| banned.eq_ignore_ascii_case(name)),
        BanTarget::Cidr(banned) => address.is_some_and(|address| banned.contains(address)),
    };
    bans.filter(concerned).min_by_key(|it| key(it)).map(|ban| shown(&ban))
}

fn api(whole: &Whole) -> Api<Known<MinetestBan>> {
    Api::namespaced(whole.client.clone(), &whole.namespace)
}

/// Those that can be read and are not on their way out.
fn objects(whole: &Whole) -> impl Iterator<Item = Arc<MinetestBan>> {
    let state: Vec<Arc<DeserializeGuard<Known<MinetestBan>>>> = whole.cluster.bans.state();
    state.into_iter().filter_map(|guarded| match &guarded.0 {
        Ok(ban) if ban.metadata.deletion_timestamp.is_none() => Some(Arc::new(ban.0.clone())),
        _ => None,
    })
}

/// When it was made, and its name: the order of the list.
fn key(ban: &MinetestBan) -> String {
    let name = ban.metadata.name.as_deref().unwrap_or_default();
    format!("{:020}/{name}", created(ban))
}

fn created(ban: &MinetestBan) -> i64 {
    ban.metadata.creation_timestamp.as_ref().map_or(0, |it| it.0.as_second().max(0))
}

fn holds(ban: &MinetestBan) -> bool {
    ban.spec.expires_at.is_none_or(|end| end.unix() > unix_now() as i64)
}

fn same(a: &BanTarget, b: &BanTarget) -> bool {
    match (a, b) {
        (BanTarget::Name(a), BanTarget::Name(b)) => a.eq_ignore_ascii_case(b),
        (BanTarget::Cidr(a), BanTarget::Cidr(b)) => a.network() == b.network(),
        _ => false,
    }
}

fn exists(ban: &MinetestBan) -> Failure {
    let name = ban.metadata.name.as_deref().unwrap_or_default();
    Failure::new(Reason::BanExists, format!("banned already, by the MinetestBan {name}"))
}

/// Two bans of the same subject have the same name, so that the API server lets only one of them
/// be made, whichever replicas are asked.
fn object_name(target: &BanTarget) -> String {
    let (head, subject) = match target {
        BanTarget::Name(name) => {
            let name = name.to_ascii_lowercase();
            (format!("player-{}", name.replace('_', "-")), name)
        }
        BanTarget::Cidr(cidr) => ("network".to_owned(), cidr.network().to_string()),
    };
    let mut name = head + "-";
    for byte in Sha256::digest(subject).iter().take(6) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

fn subject(given: Option<pb::BanSubject>) -> Result<BanTarget, Failure> {
    use pb::ban_subject::Kind::{Address, Name};
    match given.and_then(|subject| subject.kind) {
        Some(Name(name)) => {
            let good = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
            if (1..=20).contains(&name.len()) && name.bytes().all(good) {
                return Ok(BanTarget::Name(name));
            }
            let wrong = "not a player name: 1 to 20 of a-z, A-Z, 0-9, - and _";
            Err(Failure::field("subject.name", wrong))
        }
        Some(Address(text)) => {
            let canonical = text.parse().map(|it: IpAddr| it.to_canonical().to_string());
            let wrong = |text: &str| Failure::field("subject.address", text);
            let cidr = Cidr::parse(canonical.as_deref().unwrap_or(&text))
                .ok_or_else(|| wrong("not an IP address, nor a prefix such as 192.0.2.0/24"))?;
            if cidr != cidr.network() {
                let meant = cidr.network();
                let text = format!("bits behind the prefix are set; the prefix would be {meant}");
                return Err(wrong(&text));
            }
            Ok(BanTarget::Cidr(cidr))
        }
        None => Err(Failure::field("subject", "give a name or an address")),
    }
}

fn annotation<'a>(ban: &'a MinetestBan, key: &str) -> &'a str {
    let annotations = ban.metadata.annotations.as_ref();
    annotations.and_then(|it| it.get(key)).map(String::as_str).unwrap_or_default()
}

fn shown(ban: &MinetestBan) -> pb::Ban {
    use pb::ban_subject::Kind::{Address, Name};
    let kind = match &ban.spec.target {
        BanTarget::Name(name) => Name(name.clone()),
        BanTarget::Cidr(cidr) => {
            Address(cidr.single().map_or_else(|| cidr.to_string(), |it| it.to_string()))
        }
    };
    let note = |key| annotation(ban, key).to_owned();
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    pb::Ban {
        id: ban.metadata.uid.clone().unwrap_or_default(),
        subject: Some(pb::BanSubject { kind: Some(kind) }),
        reason: ban.spec.reason.clone().unwrap_or_default(),
        note: note(NOTE),
        author: note(AUTHOR),
        created: time(created(ban)),
        expires: ban.spec.expires_at.and_then(|end| time(end.unix())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: pb::ban_subject::Kind) -> Result<BanTarget, Failure> {
        subject(Some(pb::BanSubject { kind: Some(kind) }))
    }

    #[test]
    fn one_subject_has_one_name_that_the_api_server_takes() {
        use pb::ban_subject::Kind::{Address, Name};
        let name = |kind| object_name(&target(kind).unwrap());
        assert_eq!(name(Name("Al_ice".into())), name(Name("al_ICE".into())));
        assert_ne!(name(Name("al_ice".into())), name(Name("al-ice".into())));
        assert_eq!(name(Address("::ffff:192.0.2.1".into())), name(Address("192.0.2.1/32".into())));
        assert_ne!(name(Address("192.0.2.0/24".into())), name(Address("192.0.2.0/25".into())));
        for name in
            [name(Name("_".into())), name(Name("A".repeat(20))), name(Address("::/0".into()))]
        {
            assert!(mesegate_resource::Name::new(&name).is_some(), "{name}");
        }
    }

    #[test]
    fn wrong_subjects_are_fields() {
        use pb::ban_subject::Kind::{Address, Name};
        for kind in [
            Name("two words".into()),
            Name(String::new()),
            Address("192.0.2.1/24".into()),
            Address("nowhere".into()),
            Address("192.0.2.0/33".into()),
        ] {
            assert_eq!(target(kind).unwrap_err().reason, Reason::InvalidField);
        }
        assert!(subject(None).is_err());
    }
}
