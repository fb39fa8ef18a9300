//! `cargo xtask node`: a node that stays until Ctrl-C, to try things on by hand, or with
//! `cargo xtask e2e --kubeconfig` from another terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use xtask::images::Profile;
use xtask::postgres::Postgres;
use xtask::{Error, Result, run as runs};

use super::{Steps, apply, persistent_volume, prepared};
use crate::commands::usage;

/// Volumes that claims may have; one that was used is not given to another claim.
const VOLUMES: usize = 8;

/// Makes the node and waits.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let profile = match arguments {
        [] => Profile::Release,
        [it] if it == "--dev" => Profile::Dev,
        _ => return Err(usage("node has no option but --dev".into())),
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Twice the same signal ends at once, for when something hangs.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(Error::io("catching Ctrl-C"))?;
    }
    runs::remove_old();
    let steps = Steps { start: Instant::now() };
    let (node, _images) = prepared(&steps, profile)?;
    for number in 1..=VOLUMES {
        let folder = node.folder().join(format!("volume-{number}"));
        std::fs::create_dir_all(&folder).map_err(Error::io("making a volume's folder"))?;
        apply(node.cluster(), &persistent_volume(&format!("volume-{number}"), &folder))?;
    }
    let postgres = Postgres::start_on(node.machine())?;
    let kubeconfig = node.cluster().kubeconfig().display();
    println!("\nThe node is up, with the images, {VOLUMES} volumes and a database:");
    println!("  export KUBECONFIG={kubeconfig}");
    println!("  ports of Services: {}", node.address());
    println!("  database:          {}", postgres.url("postgres"));
    println!("\nAll of the test, from another terminal:");
    println!(
        "  cargo xtask e2e --kubeconfig {kubeconfig} --address {} --database {}",
        node.address(),
        postgres.url("postgres")
    );
    println!("\nCtrl-C removes it.");
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("\nremoving it");
    Ok(true)
}
