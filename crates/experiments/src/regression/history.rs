//! Every run of the suite, one file each: two branches that both add runs merge without a conflict.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fastersam_files::{read_text, sha256, write_atomically};
use fastersam_records::regression::RegressionRecord;
use fastersam_records::slug;

/// A run has some KiB.
const MAX_BYTES: u64 = 1 << 20;

/// Adds a run; gives its file.
///
/// # Errors
/// Where it can't be written.
pub fn write(folder: &Path, record: &RegressionRecord) -> Result<PathBuf> {
    let text = serde_json::to_string_pretty(record)? + "\n";
    let commit: String = record.commit.chars().take(12).collect();
    // Two runs of one second on one commit have other figures, or are other processes.
    let digest = &sha256([text.as_bytes(), &std::process::id().to_le_bytes()])[..8];
    let name =
        format!("{}-{}-{digest}.json", slug(&record.date), slug(&format!("{commit} {}", record.machine.kind)));
    std::fs::create_dir_all(folder).with_context(|| format!("the folder {} can't be made", folder.display()))?;
    let path = folder.join(name);
    write_atomically(&path, text.as_bytes())?;
    Ok(path)
}

/// All runs, the first one first.
///
/// # Errors
/// Where the folder or a file can't be read, or a file is no run.
pub fn read(folder: &Path) -> Result<Vec<RegressionRecord>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("the history {} can't be read", folder.display()))?;
    let mut runs = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = read_text(&path, MAX_BYTES)?;
            let run: RegressionRecord = serde_json::from_str(&text)
                .with_context(|| format!("{} is no run of the suite", path.display()))?;
            runs.push(run);
        }
    }
    runs.sort_by(|a, b| (&a.date, &a.commit).cmp(&(&b.date, &b.commit)));
    Ok(runs)
}
