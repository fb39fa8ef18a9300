//! The version of the chart before this one: from there to here, and back.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use xtask::bots::{Crowd, Outcome};
use xtask::{Result, chart};

use super::place::Place;
use super::scale::NETWORK;
use super::{PATIENCE, Steps, unexpected};

/// What has to stay: kind, name, identity, and the content of Secrets.
const KEPT: &str = "mts,mtg,mtp,mtb,secrets,pvc,services,serviceaccounts,deployments";
const LINE: &str = "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid} {.data}\
                    {\"\\n\"}{end}";

/// The definitions, and the version of the chart that they are of.
const DEFINITIONS: [&str; 5] = [
    "crd",
    "-l",
    "app.kubernetes.io/name=mesegate",
    "-o",
    "jsonpath={range .items[*]}{.metadata.uid} {.metadata.labels.helm\\.sh/chart}{\"\\n\"}{end}",
];

/// Installs the previous version where objects and accounts of a release are, and goes to and fro.
/// Players come after each step.
pub(super) fn run(
    steps: &Steps,
    place: Place<'_>,
    address: impl Fn(Place<'_>) -> Result<SocketAddr>,
    folder: &Path,
) -> Result<()> {
    let (old, new) = (chart::previous(), chart::folder());
    plain_servers(place)?;
    place.helm(&["install", chart::RELEASE, &old.to_string_lossy()], "")?;
    let serves = |what: &str, log: &str| {
        for name in ["mesegate-controller", "mesegate-proxy"] {
            place.rollout(&format!("deployment/{name}"))?;
        }
        visit(&[address(place)?], place, &folder.join(log))?;
        let (definitions, version) = definitions(place)?;
        steps.done(&format!("{what}: players play; the definitions are of {version}"));
        Ok::<_, xtask::Error>((kept(place)?, definitions, version))
    };
    let before = serves("the previous chart is installed", "bots-old.log")?;
    let change = |command: &str, source: &PathBuf| {
        place.helm(&[command, chart::RELEASE, &source.to_string_lossy()], "")
    };
    change("upgrade", &new)?;
    let upgraded = serves("it is upgraded to this one", "bots-new.log")?;
    change("upgrade", &old)?;
    let downgraded = serves("it is downgraded", "bots-back.log")?;
    place.helm(&["rollback", chart::RELEASE, "2"], "")?;
    let again = serves("it is rolled back to this one", "bots-again.log")?;
    for (what, after) in [("upgrade", &upgraded), ("downgrade", &downgraded), ("rollback", &again)]
    {
        let gone: Vec<_> = before.0.difference(&after.0).collect();
        if !gone.is_empty() || before.1 != after.1 {
            return Err(unexpected(&format!("the {what} did not keep {gone:?}")));
        }
    }
    if upgraded.2 == before.2 || downgraded.2 != before.2 || again.2 != upgraded.2 {
        let versions = [&before.2, &upgraded.2, &downgraded.2, &again.2];
        return Err(unexpected(&format!("the definitions are of {versions:?}")));
    }
    steps.done(&format!("{} objects are the same as before", before.0.len()));
    place.helm(&["uninstall", chart::RELEASE, "--wait"], "")
}

/// Servers of an ordinary kind in the place of managed ones, which that version does not know.
fn plain_servers(place: Place<'_>) -> Result<()> {
    let at = ["-n", place.namespace, "--timeout=90s"];
    // What belongs to them goes a moment later, under the same names.
    for what in [
        &["delete", "mts", "--all"][..],
        &["wait", "--for=delete", "statefulsets,services", "-l", "mesegate.dev/server"],
    ] {
        let answer = place.cluster.kubectl(&[what, &at[..]].concat())?;
        if !answer.success {
            return Err(unexpected(&format!("the managed servers stay: {}", answer.complaints)));
        }
    }
    place.apply(NETWORK)?;
    ["lobby", "arena"].iter().try_for_each(|it| place.rollout(&format!("deployment/{it}")))
}

/// Some players come, play and leave.
fn visit(addresses: &[SocketAddr], place: Place<'_>, log: &Path) -> Result<()> {
    let crowd = Crowd::start(addresses, 4, "visitor", ">server arena", log)?;
    let proxies: Vec<_> = place.settled(1)?.into_iter().map(|it| it.name).collect();
    crowd.settled(&proxies, PATIENCE)?;
    let lost = Outcome::of(&crowd.events(0)).lost;
    if !lost.is_empty() {
        return Err(unexpected(&format!("players did not get in: {lost:?}")));
    }
    crowd.leave()
}

/// What is there, except for helm's own records.
fn kept(place: Place<'_>) -> Result<BTreeSet<String>> {
    let text = place.get(&[KEPT, "-o", LINE])?;
    let lines: BTreeSet<String> =
        text.lines().filter(|it| !it.contains(" sh.helm.")).map(str::to_owned).collect();
    let kinds = ["MinetestServer ", "MinetestServerGroup ", "MinetestProxy ", "MinetestBan "];
    let more = ["Secret mesegate-controller-tls ", "PersistentVolumeClaim mesegate-proxy "];
    let missing = |kind: &&str| !lines.iter().any(|line| line.starts_with(*kind));
    if let Some(kind) = kinds.into_iter().chain(more).find(missing) {
        return Err(unexpected(&format!("there is no {kind}in {lines:?}")));
    }
    Ok(lines)
}

/// Identities of the definitions, and the version of the chart that all of them are of.
fn definitions(place: Place<'_>) -> Result<(Vec<String>, String)> {
    let text = place.get(&DEFINITIONS)?;
    let lines = || text.lines().filter_map(|it| it.split_once(' '));
    let versions: BTreeSet<&str> = lines().map(|it| it.1).collect();
    match Vec::from_iter(versions)[..] {
        [version] => Ok((lines().map(|it| it.0.to_owned()).collect(), version.to_owned())),
        ref other => Err(unexpected(&format!("the definitions are of {other:?}"))),
    }
}
