//! The build script: turns the policies into JSON, which is read in a fifth of the time at every start of the program.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "how a build script hears from cargo and answers")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=policies");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    convert(Path::new("policies"), &out.join("policies"))
}

fn convert(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            convert(&path, &target)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            let table: toml::Table =
                toml::from_str(&fs::read_to_string(&path)?).map_err(|error| format!("{}: {error}", path.display()))?;
            fs::write(target.with_extension("json"), serde_json::to_string(&table)?)?;
        }
    }
    Ok(())
}
