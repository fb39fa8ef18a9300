//! What cannot be tried as it stands, and why.

/// Commands that are not run: page, how the command begins, reason.
pub(crate) const LEFT_OUT: &[(&str, &str, &str)] = &[
    ("README.md", "cargo xtask demo", "it runs until it is ended, with real engines"),
    ("README.md", "cargo xtask test", "it is what runs this"),
    ("README.md", "cargo build --release", "the programs that the test built are used"),
    (
        "doc/admin.md",
        "mesegatectl --server https://",
        "it needs a controller's address; xtask/tests/kube/desk.rs asks as an account, too",
    ),
    (
        "doc/controller.md",
        "mesegate-controller --namespace games --listen 0.0.0.0:7443",
        "it needs the Service's name and its certificate; xtask/tests/chart/rights.rs does it",
    ),
    (
        "doc/controller.md",
        "mesegate-proxy --controller https://mesegate-controller.games",
        "as the line before it",
    ),
    (
        "doc/install.md",
        "mesegatectl --namespace games",
        "it needs running pods; `cargo xtask e2e` does it (xtask/src/commands/e2e/play.rs)",
    ),
    ("doc/install.md", "cargo xtask image", "minutes, and packages that are fetched"),
    ("doc/install.md", "cargo xtask e2e", "it makes a node of Kubernetes, as root, for minutes"),
    (
        "doc/install.md",
        "cargo xtask node",
        "as the line before it, and it goes on until it is ended",
    ),
    ("doc/standalone.md", "cargo build --release", "the programs that the test built are used"),
    ("doc/performance.md", "cargo xtask bench", "minutes; the stage load runs the small numbers"),
];

/// Words of commands that stand for something else here: page, word, what is run instead.
pub(crate) const REPLACED: &[(&str, &str, &str)] = &[
    ("doc/migration.md", "/path/to/mt-multiserver-proxy", "incumbent"),
    ("doc/mod-api.md", "/var/lib/mesegate", "mesegate-data"),
];

/// Blocks that are neither commands nor YAML: page, beginning, what they are.
pub(crate) const NO_COMMANDS: &[(&str, &str, &str)] = &[
    ("doc/architecture.md", "player ", "a drawing"),
    ("doc/mod-api.md", "enable_mod_channels", "settings of a server; stage engines uses them"),
    ("doc/mod-api.md", "1 PROXY-NONCE", "the form of a line"),
    ("doc/mod-api.md", "\"proxy\" or \"mod\"", "the form of what is proved"),
    ("doc/standalone.md", "# /etc/systemd", "a unit of systemd, which does not run here"),
    (
        "doc/resources.md",
        "network.yaml:14:",
        "an answer of the proxy; proxy/src/resource/load.rs tests it",
    ),
];

/// Commands that go before those of a page, because another page has them.
pub(crate) const BEFORE: &[(&str, &str)] = &[
    ("doc/accounts.md", "mesegate-proxy --resources network.yaml"),
    ("doc/operations.md", "target/release/mesegate-proxy --resources network.yaml"),
    (
        "doc/operations.md",
        "helm install mesegate charts/mesegate --namespace games --create-namespace",
    ),
    ("doc/operations.md", "kubectl apply -n games -f network.yaml"),
];

/// What commands have to print, besides that they succeed: page, beginning of the command, words.
pub(crate) const PRINTED: &[(&str, &str, &str)] = &[
    ("doc/accounts.md", "mesegate-proxy accounts list", "Alice"),
    ("doc/accounts.md", "mesegate-proxy accounts show", "Alice"),
    ("doc/admin.md", "mesegatectl players", "alice"),
    ("doc/admin.md", "mesegatectl inspect alice", "server lobby"),
    ("doc/admin.md", "mesegatectl move alice", "arena"),
    ("doc/admin.md", "grpcurl", "players"),
    ("doc/install.md", "kubectl get -n games mts", "arena"),
    ("doc/install.md", "kubectl get -n games service", "UDP"),
    ("doc/standalone.md", "mesegate-proxy content", "lobby"),
    ("doc/standalone.md", "mesegatectl servers", "arena"),
    ("doc/standalone.md", "mesegatectl players", "alice"),
    ("doc/migration.md", "mesegate-proxy migrate incumbent", "accounts: 1"),
];

/// Commands that go on until they are ended.
pub(crate) const ENDLESS: &[&str] = &["mesegatectl watch"];
