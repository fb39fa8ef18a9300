//! Two proxies, a controller with the admin interface, and who may use it.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use mesegate_testkit::{Bot, Closed, FakeServer, JoinError};
use serde_json::Value;
use xtask::controller::{Controller, ControllerSpec};
use xtask::kube::{Cluster, Programs};
use xtask::{paths, ports, wait};

use crate::fleet::{Fleet, PATIENCE, default_target, labelled, server, up};
use crate::support::{account, applied, cluster, controller_rights};

const GROUPS: &str = "\
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServerGroup
metadata: { name: lobbies }
spec: { selector: { matchLabels: { in: all } } }
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServerGroup
metadata: { name: games }
spec: { selector: { matchLabels: { kind: game } } }
";

/// Rights by service account: resources of `mesegate.dev` and verbs.
const ACCOUNTS: [(&str, &str); 3] = [
    (
        "operator",
        "- { apiGroups: [mesegate.dev], resources: [players, servers, proxies, bans], verbs: \
         [get, list, watch, create, delete] }\n\
         - { apiGroups: [mesegate.dev], resources: [players/move, players/kick, players/message, \
         servers/drain, proxies/drain], verbs: [create] }\n\
         - { apiGroups: [mesegate.dev], resources: [players/addresses, players/connection], \
         verbs: [get] }\n",
    ),
    ("viewer", "- { apiGroups: [mesegate.dev], resources: [players], verbs: [list] }\n"),
    ("bouncer", "- { apiGroups: [mesegate.dev], resources: [players/kick], verbs: [create] }\n"),
];

/// Two proxies with players' servers, and a controller with the interface.
pub(crate) struct Desk {
    pub(crate) fleet: Fleet,
    pub(crate) controller: Controller,
    pub(crate) lobby: FakeServer,
    pub(crate) arena: FakeServer,
    pub(crate) cluster: Cluster,
    pub(crate) address: String,
    grpcurl: PathBuf,
    tokens: Vec<(&'static str, String)>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let mut fleet = Fleet::new();
        let (lobby, arena) = (fleet.server("lobby"), fleet.server("arena"));
        let cluster = cluster();
        let text = server("lobby", lobby.addr(), "")
            + &labelled("arena", arena.addr(), "kind: game", "")
            + &default_target("lobby")
            + GROUPS;
        applied(&cluster, &text);
        let tokens = ACCOUNTS
            .iter()
            .map(|(name, rules)| {
                let role = format!(
                    "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n\
                     metadata: {{ name: {name} }}\nrules:\n{rules}"
                );
                applied(&cluster, &role);
                let token = account(&cluster, name, &[&format!("--role={name}")], "mesegate");
                (*name, token)
            })
            .collect();
        let address = format!("127.0.0.1:{}", ports::free().unwrap());
        let spec = ControllerSpec::new("controller-0")
            .kubeconfig(controller_rights(&cluster))
            .flag("--admin", &address)
            .switch("--admin-accounts");
        let controller = Controller::start(&cluster, &spec).unwrap();
        let urls = [controller.url()];
        fleet.start(&[&urls, &urls]);
        fleet.all("the servers answer", PATIENCE, |it| up(it, "lobby") && up(it, "arena"));
        let grpcurl = Programs::grpcurl().unwrap();
        Self { fleet, controller, lobby, arena, cluster, address, grpcurl, tokens }
    }

    pub(crate) fn token(&self, account: &str) -> &str {
        &self.tokens.iter().find(|(name, _)| *name == account).unwrap().1
    }

    /// A call with a token; `method` goes without the package.
    pub(crate) fn call_with(&self, token: Option<&str>, method: &str, data: &str) -> Output {
        let mut command = Command::new(&self.grpcurl);
        command.args(["-plaintext", "-format-error", "-max-time", "20", "-d", data]);
        if let Some(token) = token {
            command.args(["-H", &format!("authorization: Bearer {token}")]);
        }
        command.args([&self.address, &format!("mesegate.admin.v1.{method}")]);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// A call of the operator that succeeds.
    pub(crate) fn call(&self, method: &str, data: &str) -> Value {
        let output = self.call_with(Some(self.token("operator")), method, data);
        assert!(output.status.success(), "{method} {data}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A call that fails, and has these words in what it says.
    pub(crate) fn fails(&self, token: Option<&str>, method: &str, data: &str, words: &[&str]) {
        let output = self.call_with(token, method, data);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{method} {data}: {output:?}");
        for word in words {
            assert!(said.contains(word), "{method} {data}: no {word} in {said}");
        }
    }

    pub(crate) fn ctl(&self, account: &str, words: &[&str]) -> Output {
        let mut command = Command::new(paths::target().join("debug/mesegatectl"));
        command.args(["--server", &format!("http://{}", self.address)]).args(words);
        command.env("MESEGATE_TOKEN", self.token(account)).stdin(Stdio::null()).output().unwrap()
    }

    /// How long after `start` the players were sent away with a text.
    pub(crate) fn gone(&self, bots: &[&Bot], text: &str, start: Instant) -> Duration {
        for bot in bots {
            match self.fleet.runtime.block_on(bot.wait_closed(PATIENCE)) {
                Some(Closed::Denied { text: said, .. }) => assert!(said.contains(text), "{said}"),
                other => panic!("{}: {other:?}", bot.name()),
            }
        }
        start.elapsed()
    }

    /// Nobody of that name gets in by way of any proxy.
    pub(crate) fn kept_out(&self, name: &str, text: &str) {
        for proxy in &self.fleet.proxies {
            let options = mesegate_testkit::BotOptions::new(proxy.address(), name);
            match self.fleet.runtime.block_on(Bot::join(options)) {
                Err(JoinError::Denied { text: said, .. }) => assert!(said.contains(text), "{said}"),
                other => panic!("{name}: {:?}", other.map(|it| it.name().to_owned())),
            }
        }
    }
}

impl Desk {
    /// A token for the API server itself.
    pub(crate) fn cluster_token(&self, account: &str) -> String {
        let answer = self.cluster.kubectl(&["create", "token", account]).unwrap();
        assert!(answer.success, "{answer:?}");
        answer.output.trim().to_owned()
    }
}

/// The reason in what a call has said on its standard error.
pub(crate) fn reason(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let Some(begin) = said.find('{') else { return format!("no status: {output:?}") };
    let status: Value = serde_json::Deserializer::from_str(&said[begin..])
        .into_iter()
        .next()
        .and_then(Result::ok)
        .unwrap_or_default();
    let details = status["details"].as_array().cloned().unwrap_or_default();
    let reason = details.iter().find_map(|it| match it["domain"].as_str() {
        Some("mesegate.dev") => it["reason"].as_str().map(str::to_owned),
        // A controller that is gone cannot be asked any more what the message is made of: its first
        // field is the reason.
        _ => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(it["@value"].as_str()?);
            let bytes = bytes.ok()?;
            let (&[10, length], text) = bytes.split_first_chunk()? else { return None };
            Some(String::from_utf8_lossy(text.get(..length.into())?).into_owned())
        }
    });
    reason.unwrap_or_else(|| said.clone().into_owned())
}

/// A call that goes on, such as a watch. Dropping it ends it.
pub(crate) struct Going {
    child: Option<Child>,
    file: PathBuf,
    _folder: xtask::run::RunFolder,
}

impl Desk {
    /// A call of the operator that goes on, until it is over or `seconds` have passed.
    pub(crate) fn begin(&self, method: &str, data: &str, seconds: u32) -> Going {
        let folder = xtask::run::RunFolder::temporary("call").unwrap();
        let file = folder.path().join("answers.json");
        let mut command = Command::new(&self.grpcurl);
        command.args(["-plaintext", "-format-error", "-max-time", &seconds.to_string()]);
        command.args(["-H", &format!("authorization: Bearer {}", self.token("operator"))]);
        command.args(["-d", data, &self.address, &format!("mesegate.admin.v1.{method}")]);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command.stdout(std::fs::File::create(&file).unwrap());
        Going { child: Some(command.spawn().unwrap()), file, _folder: folder }
    }
}

impl Going {
    /// What was answered so far.
    pub(crate) fn answers(&self) -> Vec<Value> {
        let text = wait::read(&self.file);
        serde_json::Deserializer::from_str(&text).into_iter().map_while(Result::ok).collect()
    }

    /// Waits for an answer for which something holds, after the first `seen` ones; gives how many
    /// there are with it.
    pub(crate) fn until(&self, seen: usize, what: &str, holds: impl Fn(&Value) -> bool) -> usize {
        let found = wait::until(PATIENCE, || {
            self.answers().iter().skip(seen).position(&holds).map(|at| seen + at + 1)
        });
        found.unwrap_or_else(|| panic!("{what}: {:?}", &self.answers()[seen..]))
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Output {
        self.child.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
