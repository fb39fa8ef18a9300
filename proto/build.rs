//! Compiles the `.proto` files without an installed `protoc`, and keeps their descriptors for
//! server reflection.

use std::error::Error;
use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 6] = [
    "mesegate/control/v1/control.proto",
    "mesegate/admin/v1/common.proto",
    "mesegate/admin/v1/player.proto",
    "mesegate/admin/v1/ban.proto",
    "mesegate/admin/v1/server.proto",
    "mesegate/admin/v1/proxy.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=mesegate");
    let mut public = protox::compile(FILES, ["."])?;
    // The control stream is internal; reflection is about the rest.
    public.file.retain(|file| file.package() != "mesegate.control.v1");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("admin.v1.bin"), public.encode_to_vec())?;
    // Channels are the business of whoever connects; see `mesegatectl`.
    let all = protox::compile(FILES, ["."])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .btree_map(".mesegate.control.v1")
        .compile_fds(all)?;
    Ok(())
}
