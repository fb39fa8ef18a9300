//! `cargo xtask`: the one way to build, try and test the project. It needs Rust and a C compiler;
//! whatever else a command needs, it installs itself or says how to.
#![forbid(unsafe_code)]

mod commands;

use std::process::ExitCode;

use xtask::lab::{Generation, Lab};

const HELP: &str = "\
cargo xtask COMMAND

  demo [OPTIONS]        a small network to play on: two Luanti servers and the proxy
    --port PORT           where players connect to (default 30000)
    --generation G        engine of the two servers: 5.6, 5.10 or 5.15 (default 5.10); give it
                          twice for two different ones
    --server HOST:PORT    give it twice to use running servers instead of starting two
    --client              also let a real client (without a screen) join and hop, and show where
                          its pictures are
  test [OPTIONS]        everything that has to pass, as CI runs it
    --only STAGE          only this stage; may be given several times
    --list                what the stages are
  bench [ARGUMENTS]     the load generator; `cargo xtask bench --help` tells more
  e2e [OPTIONS]         images, chart and mesegatectl on a real node made for it (as root), with a
                        real player, and fifty while proxies are replaced; everything is removed
    --dev                 of the programs that tests use, which are built faster
    --kubeconfig FILE     on that cluster, which has the images, in new namespaces `games`, `scale`
    --address ADDR[:PORT] with it: where players reach the proxies; without a port, the Service's
                          on the nodes
    --values FILE         with it: values of the chart
    --database URL        with it: PostgreSQL for several proxies, which pods have to reach
  node [--dev]          only such a node with images, volumes and a database, until Ctrl-C
  image [OPTIONS]       container images of the programs, as files
    --arch A              amd64 or arm64; may be given twice (default: this machine's)
    --dev                 of the programs that tests use, which are built faster
  generate              write deploy/ from the types of proto/resource and from the chart
  lab [GENERATION…]     only install the engines that demo and test use

The engines are kept in $MESEGATE_LAB, by default ~/.cache/mesegate/lab.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let result = match command {
        "demo" => commands::demo::run(rest),
        "test" => commands::test::run(rest),
        "bench" => commands::bench::run(rest),
        "e2e" => commands::e2e::run(rest),
        "node" => commands::e2e::keep::run(rest),
        "image" => commands::image::run(rest),
        "generate" => commands::generate::run(rest),
        "lab" => install(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(true)
        }
        other => Err(commands::usage(format!("there is no command `{other}`"))),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask {command}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn install(arguments: &[String]) -> xtask::Result<bool> {
    let mut generations = arguments
        .iter()
        .map(|name| commands::generation(name))
        .collect::<xtask::Result<Vec<_>>>()?;
    if generations.is_empty() {
        generations = Generation::ALL.to_vec();
    }
    let lab = Lab::ensure(&generations)?;
    for generation in generations {
        println!("{}: engine {}", lab.root(generation).display(), lab.version(generation)?);
    }
    Ok(true)
}
