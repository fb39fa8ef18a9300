//! Writes the custom resource definitions into a folder, one file each. `cargo xtask generate`
//! calls it.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("the folder is missing")?;
    std::fs::create_dir_all(&folder)?;
    for (plural, definition) in mesegate_resource::schema::definitions() {
        let file = Path::new(&folder).join(format!("{plural}.yaml"));
        std::fs::write(
            &file,
            mesegate_resource::schema::HEAD.to_owned() + &serde_yaml::to_string(&definition)?,
        )?;
        println!("{}", file.display());
    }
    Ok(())
}
