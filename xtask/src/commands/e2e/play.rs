//! A player from outside the cluster, and an operator who comes by way of the API server.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use xtask::client::{Client, ClientSpec};
use xtask::kube::Cluster;
use xtask::lab::{Generation, Lab};
use xtask::{Error, Result, images, wait};

use super::{NAMESPACE, Steps, unexpected};

const GENERATION: Generation = Generation::V5_15;

/// How soon what somebody does has to be seen.
const SOON: Duration = Duration::from_secs(20);

/// `mesegatectl` through the kubeconfig, as the account that the chart makes.
pub(super) struct Operator<'a> {
    program: std::path::PathBuf,
    cluster: &'a Cluster,
}

impl<'a> Operator<'a> {
    /// For that cluster.
    pub(super) fn new(cluster: &'a Cluster) -> Result<Self> {
        Ok(Self { program: images::program("mesegatectl")?, cluster })
    }

    /// Runs it; whether it succeeded, and what it printed on both channels.
    fn run(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let output = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(self.cluster.kubeconfig())
            .args(["--namespace", NAMESPACE, "--service-account", "mesegate-admin"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io(format!("starting {}", self.program.display())))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.success(), text(&output.stdout) + &text(&output.stderr)))
    }

    /// As [`run`](Self::run), for what has to succeed.
    pub(super) fn does(&self, arguments: &[&str]) -> Result<String> {
        let (success, output) = self.run(arguments)?;
        let what = || format!("mesegatectl {}: {output}", arguments.join(" "));
        if success { Ok(output) } else { Err(unexpected(&what())) }
    }

    /// Where a player is, if in the game.
    pub(super) fn whereabouts(&self, player: &str) -> Result<Option<String>> {
        let text = self.does(&["players", "-o", "json"])?;
        let answer: Value = serde_json::from_str(&text)
            .map_err(|error| unexpected(&format!("mesegatectl players: {error}: {text}")))?;
        let list = answer.as_array().or_else(|| answer["players"].as_array()).cloned();
        let mut list = list.unwrap_or_default().into_iter();
        let found = list.find(|it| it["name"] == player);
        Ok(found.map(|it| it["server"].as_str().unwrap_or_default().to_owned()))
    }

    /// Waits until a player is there, or nowhere.
    pub(super) fn sees(&self, player: &str, server: Option<&str>) -> Result<()> {
        let mut last = None;
        let seen = wait::until(SOON, || {
            last = self.whereabouts(player).ok()?;
            (last.as_deref() == server).then_some(())
        });
        seen.ok_or_else(|| unexpected(&format!("{player} is at {last:?}, not at {server:?}")))
    }
}

/// The player types a command; again if the window, which has just been opened and is drawn without
/// hardware, has missed some keys.
fn hop(client: &mut Client, operator: &Operator<'_>) -> Result<()> {
    let mut result = Ok(());
    for _ in 0..3 {
        sleep(Duration::from_secs(4));
        client.chat(">server arena")?;
        result = operator.sees("alice", Some("arena"));
        if result.is_ok() {
            break;
        }
        client.screenshot()?;
    }
    result
}

/// Joins, hops, is moved, kicked and banned.
pub(super) fn run(steps: &Steps, cluster: &Cluster, address: SocketAddr) -> Result<()> {
    let lab = Lab::ensure(&[GENERATION])?;
    let operator = Operator::new(cluster)?;
    let join = || {
        let spec = ClientSpec::new(GENERATION, "alice", address).password("secret");
        let mut client = Client::start(&lab, spec)?;
        client.wait_joined(Duration::from_mins(1))?;
        Ok::<Client, Error>(client)
    };
    let mut client = join()?;
    steps.done(&format!("a player has joined at {address}"));
    operator.sees("alice", Some("lobby"))?;
    print!("{}", operator.does(&["players"])?);
    print!("{}", operator.does(&["proxies"])?);

    hop(&mut client, &operator)?;
    steps.done("the player has gone to another server");
    let said = operator.does(&["move", "alice", "--to", "lobby"])?;
    operator.sees("alice", Some("lobby"))?;
    steps.done(&format!("the operator has moved them back: {}", said.trim()));
    let connections = operator.does(&["inspect", "alice"])?;
    if !connections.contains("\nserver lobby ") {
        return Err(unexpected(&format!("mesegatectl inspect: {connections}")));
    }
    print!("{connections}");

    let seen = client.log().len();
    operator.does(&["kick", "alice", "--reason", "mind the rules"])?;
    client.wait_log_since(seen, "mind the rules", SOON)?;
    operator.sees("alice", None)?;
    steps.done("the operator has kicked them");
    drop(client);

    let client = join()?;
    let seen = client.log().len();
    operator.does(&["ban", "alice", "--reason", "enough", "--for", "1h"])?;
    client.wait_log_since(seen, "enough", SOON)?;
    drop(client);
    let bans = super::get(cluster, &["mtb", "-o", "jsonpath={.items[*].spec.target.name}"])?;
    if bans != "alice" {
        return Err(unexpected(&format!("bans: {bans}")));
    }
    let spec = ClientSpec::new(GENERATION, "alice", address).password("secret");
    let mut client = Client::start(&lab, spec)?;
    if client.wait_joined(Duration::from_secs(20)).is_ok() {
        return Err(unexpected("a banned player has joined"));
    }
    steps.done("the operator has banned them, and they do not get in");
    drop(client);

    let (success, said) = operator.run(&["move", "nobody", "--to", "arena"])?;
    if success || !said.contains("NO_SUCH_PLAYER") {
        return Err(unexpected(&format!("moving nobody: {said}")));
    }
    Ok(())
}
