//! The programs that the lab builds.

use std::path::Path;
use std::process::Command;

use xtask::kube::Programs;

fn says(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
#[ignore = "needs programs of the lab: cargo xtask test --only kube"]
fn programs_beside_the_api_server_run() {
    let helm = says(&Programs::helm().unwrap(), &["version", "--short"]);
    assert!(helm.starts_with("v3."), "{helm}");
    let grpcurl = says(&Programs::grpcurl().unwrap(), &["-help"]);
    assert!(grpcurl.contains("-plaintext"), "{grpcurl}");
}
