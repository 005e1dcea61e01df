//! Standard output: the results of commands.

use std::io::Write as _;

/// The result of a command, on standard output.
pub fn print(line: &str) {
    // A reader that has gone (`| head`) has seen enough.
    let _ = writeln!(std::io::stdout(), "{line}");
}
