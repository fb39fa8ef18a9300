//! Writes the custom resource definitions into a folder, one file each, and the manual of all their
//! fields into a file. `cargo xtask generate` calls it.

mod manual;

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("the folder is missing")?;
    let manual = arguments.next().ok_or("the manual's file is missing")?;
    std::fs::create_dir_all(&folder)?;
    for (plural, definition) in mesegate_resource::schema::definitions() {
        let file = Path::new(&folder).join(format!("{plural}.yaml"));
        std::fs::write(
            &file,
            mesegate_resource::schema::HEAD.to_owned() + &serde_yaml::to_string(&definition)?,
        )?;
        println!("{}", file.display());
    }
    std::fs::write(&manual, manual::text())?;
    println!("{manual}");
    Ok(())
}
