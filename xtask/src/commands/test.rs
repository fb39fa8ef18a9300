//! `cargo xtask test`: everything that has to pass before a change is taken, as CI runs it.

mod stage;

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use xtask::engine::{Server, ServerSpec};
use xtask::kube::{Programs, schemas};
use xtask::lab::{Generation, Lab};
use xtask::{Error, Result, paths, run, tools};

use super::usage;
use stage::{Count, Step};

/// The version of cargo-deny that the project was last checked with.
const CARGO_DENY: &str = "0.20.2";

struct Stage {
    name: &'static str,
    what: &'static str,
    run: fn(&mut Count) -> Result<()>,
}

/// What has to pass.
const STAGES: [Stage; 11] = [
    Stage { name: "fmt", what: "the code is formatted", run: fmt },
    Stage { name: "clippy", what: "no warnings from the compiler and clippy", run: clippy },
    Stage { name: "deny", what: "licences, sources and duplicates of dependencies", run: deny },
    Stage { name: "unit", what: "tests that need nothing but this machine", run: unit },
    Stage { name: "load", what: "a small run of the load generator", run: load },
    Stage { name: "chart", what: "the Helm chart, also with a real API server", run: chart },
    Stage { name: "docs", what: "what the manual shows is tried", run: docs },
    Stage { name: "kube", what: "tests with a real Kubernetes API server", run: kube },
    Stage { name: "engines", what: "tests with real Luanti servers and clients", run: engines },
    Stage { name: "accounts", what: "accounts in databases of real servers", run: accounts },
    Stage { name: "worlds", what: "worlds that differ, by message and in pictures", run: worlds },
];

/// Runs the stages and prints one line with the sum at the end.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let mut wanted: Vec<&str> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--list" => {
                for stage in &STAGES {
                    println!("{:10} {}", stage.name, stage.what);
                }
                return Ok(true);
            }
            "--only" => {
                let name = rest.next().map_or("", String::as_str);
                if !STAGES.iter().any(|stage| stage.name == name) {
                    return Err(usage(format!("there is no stage `{name}`")));
                }
                wanted.push(name);
            }
            other => return Err(usage(format!("test has no option `{other}`"))),
        }
    }
    run::remove_old();
    let start = Instant::now();
    let mut total = Count::default();
    let mut lines = Vec::new();
    for stage in &STAGES {
        if !wanted.is_empty() && !wanted.contains(&stage.name) {
            continue;
        }
        println!("== {}: {}", stage.name, stage.what);
        let begin = Instant::now();
        let mut count = Count::default();
        if let Err(error) = (stage.run)(&mut count) {
            println!("{error}");
            count.failed += 1;
        }
        let line = format!(
            "{:10} {:5} passed {:3} failed {:5} s",
            stage.name,
            count.passed,
            count.failed,
            begin.elapsed().as_secs()
        );
        println!("{line}\n");
        lines.push(line);
        total.add(count);
    }
    println!("{}", lines.join("\n"));
    println!(
        "all of it took {} s; logs and pictures: {}\n",
        start.elapsed().as_secs(),
        paths::artifacts().display()
    );
    // Automation reads this very line.
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(total.failed == 0)
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = tools::cargo();
    command.args(arguments);
    command
}

fn fmt(count: &mut Count) -> Result<()> {
    Step::new("fmt", cargo(&["fmt", "--all", "--check", "--", "--color=never"])).check(count)
}

fn clippy(count: &mut Count) -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    Step::new("clippy", cargo(&arguments)).check(count)
}

/// Known vulnerabilities are left out: their database is a git repository, and this command has to
/// work where only the crates' registry is reached. `cargo deny check advisories` asks for them.
fn deny(count: &mut Count) -> Result<()> {
    let mut command = Command::new(tools::cargo_tool("cargo-deny", CARGO_DENY)?);
    command.args(["--locked", "check", "licenses", "bans", "sources"]);
    Step::new("deny", command).check(count)
}

fn unit(count: &mut Count) -> Result<()> {
    let command = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    Step::new("unit", command).tests(count)
}

/// That the generator works and nobody is lost; its figures mean nothing in this build.
fn load(count: &mut Count) -> Result<()> {
    bins(count)?;
    let folder = paths::target().join("debug");
    let mut command = Command::new(folder.join("mesegate-bench"));
    command.arg("--proxy").arg(folder.join("mesegate-proxy")).arg("--quick");
    Step::new("load", command).check(count)
}

fn chart(count: &mut Count) -> Result<()> {
    Programs::ensure()?;
    Programs::helm()?;
    schemas::ensure()?;
    bins(count)?;
    let mut command = real(2, &["--test", "chart", "--"]);
    // It makes namespaces and rights, also in the cluster.
    command.env_remove("MESEGATE_TEST_KUBECONFIG");
    Step::new("chart", command).tests(count)
}

/// What the manual's commands, and this stage, have besides the project's programs: name and
/// Debian's package.
const OF_THE_SHELL: [(&str, &str); 3] =
    [("ip", "iproute2"), ("curl", "curl"), ("openssl", "openssl")];

/// In a network of its own, where all ports are free that the manual names. What its programs need
/// is fetched before, since nothing can be from there.
fn docs(count: &mut Count) -> Result<()> {
    Programs::ensure()?;
    Programs::helm()?;
    Programs::grpcurl()?;
    bins(count)?;
    let mut tests = real(1, &["--offline", "--test", "docs", "--"]);
    tests.env_remove("MESEGATE_TEST_KUBECONFIG");
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "--", "sh", "-ec"]);
    command.args(["ip link set lo up; exec \"$@\"", "sh"]);
    command.arg(tests.get_program()).args(tests.get_args());
    command.envs(Programs::found(&OF_THE_SHELL)?);
    for (name, value) in tests.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Step::new("docs", command).tests(count)
}

fn kube(count: &mut Count) -> Result<()> {
    // Here, so that its progress is seen.
    if std::env::var_os("MESEGATE_TEST_KUBECONFIG").is_none() {
        Programs::ensure()?;
    }
    Programs::helm()?;
    let grpcurl = Programs::grpcurl()?;
    Lab::ensure(&[Generation::V5_15])?;
    bins(count)?;
    // Most have an API server of their own.
    let mut command = real(1, &["--test", "kube", "--test", "admin", "--"]);
    command.env("MESEGATE_GRPCURL", grpcurl);
    Step::new("kube", command).tests(count)
}

fn engines(count: &mut Count) -> Result<()> {
    bins(count)?;
    let lab = Lab::ensure(&Generation::ALL)?;
    for generation in Generation::ALL {
        println!("{generation}: engine {}", lab.version(generation)?);
    }
    // Selected by target, not by package: the features of dependencies stay those of the whole
    // workspace, and nothing is built twice.
    for generation in Generation::ALL {
        let server = Server::start(&lab, ServerSpec::new("visited", generation))?;
        let mut command = cargo(&["test", "--workspace", "--locked", "--test", "real_engine"]);
        command.args(["--no-fail-fast", "--", "--ignored", "--test-threads=1"]);
        command.env("MESEGATE_TEST_BACKEND", server.address().to_string());
        command.env("MESEGATE_TEST_WORLD", server.world_dir());
        Step::new(&format!("visits-{generation}"), command).tests(count)?;
    }
    // Engines announce themselves every five minutes, whatever one does: meanwhile the others run.
    let patient = real(1, &["--test", "players", "--", PATIENT]);
    let patient = Step::new("patient", patient);
    let waiting = std::thread::spawn(move || {
        let mut count = Count::default();
        patient.tests(&mut count).map(|()| count)
    });
    // One at a time: each has several engines and draws in software.
    let rest = real(1, &["--test", "lab", "--test", "players", "--", "--skip", PATIENT]);
    Step::new("engines", rest).tests(count)?;
    let waited = waiting.join().map_err(|_| Error::Unsupported("a test's thread ended".into()))?;
    count.add(waited?);
    Ok(())
}

/// The test that only waits.
const PATIENT: &str = "the_proxy_goes_on_announcing_as_servers_do";

fn accounts(count: &mut Count) -> Result<()> {
    Lab::ensure(&Generation::ALL)?;
    bins(count)?;
    Step::new("accounts", real(1, &["--test", "accounts", "--"])).tests(count)
}

fn worlds(count: &mut Count) -> Result<()> {
    Lab::ensure(&Generation::ALL)?;
    bins(count)?;
    Step::new("worlds", real(1, &["--test", "worlds", "--"])).tests(count)
}

/// All programs at once, and with the tests: without those, and each alone, they have dependencies
/// with other features, which would be built once more.
fn bins(count: &mut Count) -> Result<()> {
    let build = ["build", "--workspace", "--bins", "--tests", "--locked"];
    Step::new("bins", cargo(&build)).check(count)
}

/// Tests that need real parts and the programs that were built, so many at a time. The arguments
/// choose them, up to those of the test programs.
fn real(threads: u32, arguments: &[&str]) -> Command {
    let mut command = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    command.args(arguments).args(["--ignored", "--nocapture"]);
    command.arg(format!("--test-threads={threads}"));
    let folder = paths::target().join("debug");
    command.env("MESEGATE_PROXY", folder.join("mesegate-proxy"));
    command.env("MESEGATE_CONTROLLER_PROGRAM", folder.join("mesegate-controller"));
    command
}

/// Where a step's output goes.
fn log_file(name: &str) -> Result<PathBuf> {
    let folder = paths::artifacts().join("logs");
    std::fs::create_dir_all(&folder).map_err(Error::io(format!("making {}", folder.display())))?;
    Ok(folder.join(format!("{name}.log")))
}
