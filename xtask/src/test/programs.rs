//! The programs that cargo makes of tests, to be run in another way than cargo does.
//!
//! They are built for the whole workspace, whichever are run: if only some crates were picked, these would ask less
//! features of the big dependencies, and cargo would compile all of them again.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Result;
use serde_json::Value;

use crate::workspace::{cargo_command, output};

/// The tests of a crate's library, or those in its `tests` folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// The crate's folder.
    pub folder: PathBuf,
    /// `lib`, `bin`, `test` ...
    pub kind: String,
    /// The executable.
    pub path: PathBuf,
}

impl Program {
    /// Whether it belongs to the crate in this folder below `crates`.
    pub fn is_of(&self, folder: &str) -> bool {
        self.folder.ends_with(Path::new("crates").join(folder))
    }
}

/// Builds all test programs; `options` are cargo's.
pub fn build(options: &[&str]) -> Result<Vec<Program>> {
    let mut command = cargo_command();
    command.args(["test", "--no-run", "--release", "--workspace", "--message-format", "json-render-diagnostics"]);
    // Cargo says there what it compiles.
    let messages = output(command.args(options).stderr(Stdio::inherit()))?;
    Ok(messages.lines().filter_map(program).collect())
}

/// The program that a message of cargo's announces, if it does.
fn program(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    Some(Program {
        folder: Path::new(message["manifest_path"].as_str()?).parent()?.to_owned(),
        kind: message["target"]["kind"][0].as_str()?.to_owned(),
        path: PathBuf::from(message["executable"].as_str()?),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_found_among_cargos_messages() {
        let message = r#"{"reason": "compiler-artifact", "manifest_path": "/w/crates/a/Cargo.toml",
            "target": {"kind": ["test"], "name": "it"}, "profile": {"test": true}, "executable": "/t/it-1"}"#;
        let found = program(&message.replace('\n', "")).unwrap();
        assert_eq!((found.kind.as_str(), found.path.as_path()), ("test", Path::new("/t/it-1")));
        assert!(found.is_of("a") && !found.is_of("b"));
        assert_eq!(program(&message.replace("true", "false")), None);
        assert_eq!(program(r#"{"reason": "build-finished", "success": true}"#), None);
        assert_eq!(program("no JSON"), None);
    }
}
